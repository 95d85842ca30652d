"""REINFORCE: a policy learns to walk to the right end of a corridor, by the gradient of expected reward."""

import numpy as np

import refflow.compat.v1 as tf

tf.disable_v2_behavior()

length, max_steps, gamma = 6, 30, 0.95


class Corridor:
    """Places 0 to `length` - 1; the walk begins in the middle and pays at the right end."""

    def reset(self):
        self.place, self.steps = length // 2, 0
        return np.eye(length, dtype=np.float32)[self.place]

    def step(self, action):
        self.place = max(0, self.place + (1 if action == 1 else -1))
        self.steps += 1
        done = self.place == length - 1
        state = np.eye(length, dtype=np.float32)[self.place]
        return state, 1.0 if done else -0.05, done or self.steps >= max_steps


class Agent:
    def __init__(self, lr=0.05):
        self.state_in = tf.placeholder(shape=[None, length], dtype=tf.float32)
        hidden = tf.layers.dense(
            self.state_in, 8, activation=tf.nn.relu, kernel_initializer=tf.glorot_uniform_initializer(seed=1)
        )
        self.logits = tf.layers.dense(hidden, 2, kernel_initializer=tf.zeros_initializer(), use_bias=False)
        self.output = tf.nn.softmax(self.logits)

        self.reward_holder = tf.placeholder(shape=[None], dtype=tf.float32)
        self.action_holder = tf.placeholder(shape=[None], dtype=tf.int32)
        indexes = tf.range(0, tf.shape(self.output)[0]) * tf.shape(self.output)[1] + self.action_holder
        self.responsible_outputs = tf.gather(tf.reshape(self.output, [-1]), indexes)
        self.loss = -tf.reduce_mean(tf.log(self.responsible_outputs) * self.reward_holder)
        self.update = tf.train.AdamOptimizer(learning_rate=lr).minimize(self.loss)


def discount_rewards(r):
    discounted, running = np.zeros(len(r), np.float32), 0.0
    for t in reversed(range(len(r))):
        running = discounted[t] = running * gamma + r[t]
    return discounted


env, agent = Corridor(), Agent()
rng = np.random.RandomState(4)
losses, steps_needed = [], []
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for episode in range(60):
        s, done, history = env.reset(), False, []
        while not done:
            p = sess.run(agent.output, feed_dict={agent.state_in: [s]})[0]
            a = int(rng.uniform() < p[1])
            s1, r, done = env.step(a)
            history.append((s, a, r))
            s = s1
        states, actions, rewards = zip(*history)
        feed = {agent.state_in: np.stack(states), agent.action_holder: actions,
                agent.reward_holder: discount_rewards(rewards)}  # fmt: skip
        _, loss = sess.run([agent.update, agent.loss], feed_dict=feed)
        losses.append(loss)
        steps_needed.append(len(history))
        if episode % 20 == 0:
            print("Episode %d: %d steps" % (episode, len(history)))
    best = sess.run(agent.output, feed_dict={agent.state_in: np.eye(length)})[:, 1]

losses = losses[:10]  # a different rounding may turn a choice later on
print("chance of a step to the right:", np.round(best, 2))
assert np.mean(steps_needed[-10:]) < 4 and (best[length // 2 : -1] > 0.8).all()
