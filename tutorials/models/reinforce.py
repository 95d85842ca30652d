# %% [markdown]
# # REINFORCE: learning from rewards alone
#
# Time: 3 s on the reference CPU.
#
# Nobody tells this policy what is right. It stands on a grid, draws one of four actions by p(a | s), and is paid:
#
#     . . . . .        0.02 is lost with each step
#     . . . . .        x is a cliff: 1 is lost, and the walk is over
#     S x x x G        G pays 1, and the walk is over
#
# The expected sum of rewards has a slope all the same, for what is drawn has known chances:
#
#     d E[G_0] = E[ sum over t of (G_t - b_t) d log p(a_t | s_t) ],    G_t = all rewards from step t on
#
# so actions are made likelier by how much better than b_t it went on after them. The world is not part of the graph:
# places go in through feeds, actions come out, and rewards go in through feeds [S50d]. The mathematics is in
# refflow/models/policy.py.

# %%
import numpy as np

import refflow as tf
from refflow.models.policy import reinforce_loss, returns, sampled_actions

ROWS, COLUMNS, LONGEST = 3, 5, 30
START, GOAL, CLIFF = 10, 14, [11, 12, 13]
MOVES = np.array([[-1, 0], [1, 0], [0, -1], [0, 1]])


def world(places, actions):
    """(next places, rewards, whether the walk goes on) of walkers that are each in one of 15 places."""
    rows, columns = np.divmod(places, COLUMNS) + MOVES[actions].T
    places = np.clip(rows, 0, ROWS - 1) * COLUMNS + np.clip(columns, 0, COLUMNS - 1)
    fell, won = np.isin(places, CLIFF), places == GOAL
    return places, -0.02 - 1.0 * fell + 1.0 * won, ~(fell | won)


# %% [markdown]
# The policy is a table of scores, a row for each place. The baseline b_t is the mean over the walkers that still walk.

# %%
tf.set_random_seed(1)
table = tf.Variable(tf.zeros([ROWS * COLUMNS, 4]))
place = tf.placeholder(tf.int32, [None])
draw = sampled_actions(tf.gather(table, place))

walked = tf.placeholder(tf.int32, [None, None])  # [T, N]: the place at each step of N walks
acted = tf.placeholder(tf.int64, [None, None])
paid = tf.placeholder(tf.float32, [None, None])
walking = tf.placeholder(tf.float32, [None, None])  # 1 until the walk is over
to_come = returns(paid)
baseline = tf.reduce_sum(to_come * walking, 1, keep_dims=True) / tf.reduce_sum(walking, 1, keep_dims=True)
scores = tf.gather(table, tf.reshape(walked, [-1]))
loss = reinforce_loss(scores, tf.reshape(acted, [-1]), tf.reshape((to_come - baseline) * walking, [-1]))
learn = tf.train.AdamOptimizer(0.05).minimize(loss)


def walks(session, count):
    """The feeds of so many walks from the start, and the mean of what each was paid."""
    places, alive, history = np.full(count, START), np.ones(count, bool), []
    while alive.any() and len(history) < LONGEST:
        actions = session.run(draw, {place: places})
        following, rewards, goes_on = world(places, actions)
        history.append((places, actions, rewards * alive, alive))
        places, alive = following, alive & goes_on
    fed = [np.stack(column) for column in zip(*history, strict=True)]
    return dict(zip((walked, acted, paid, walking), fed, strict=True)), fed[2].sum(0).mean()


rewards = []
with tf.Session() as session:
    session.run(tf.initialize_all_variables())
    for turn in range(300):
        feeds, reward = walks(session, 32)
        session.run(learn, feeds)
        rewards.append(reward)
        if turn % 50 == 0:
            print(f"turn {turn:3d}: mean reward {reward:6.2f}")
    best = session.run(table).argmax(1)
print("\n".join(" ".join("^v<>"[best[r * COLUMNS + c]] for c in range(COLUMNS)) for r in range(ROWS)))

# %% [markdown]
# What is the best that can be had? Here the world is known, so its values can be computed: V(s) is the largest, over
# the actions, of the reward and the value of where it leads.

# %%
values = np.zeros(ROWS * COLUMNS)
for _ in range(LONGEST):
    led, gained, goes_on = world(np.repeat(np.arange(ROWS * COLUMNS), 4), np.tile(np.arange(4), ROWS * COLUMNS))
    values = (gained + goes_on * values[led]).reshape(-1, 4).max(1)
reached = np.mean(rewards[-10:])
print(f"mean reward of the last ten turns {reached:.3f}; the best is {values[START]:.2f}")
assert abs(values[START] - (1 - 6 * 0.02)) < 1e-12  # up, four to the right, down

# %% [markdown]
# What was promised: 90% of the best while actions are still drawn, from less than nothing; and the likeliest actions
# walk the best way. (Let a step cost 0.05 and learn twice as fast, and some seeds end at the cliff: a long search costs
# more than a fall, so the first thing learned is to jump. The slope leads to a top, not to the highest.)

# %%
where, steps = np.array([START]), 0
while steps == 0 or goes_on[0]:
    where, _, goes_on = world(where, best[where])
    steps += 1
    assert steps <= 6
assert where[0] == GOAL
assert rewards[0] < -0.5 and reached >= 0.9 * values[START]
