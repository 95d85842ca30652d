"""Rules of the optimizers: from a variable, its slots, some numbers and the gradient g to their new values [S32, W78].

Each rule is what one optimizer's paper says, for one variable of any shape; ops/training.py makes the ops of it.

Next: ops/training.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def gradient_descent(var, alpha, delta):
    """var := var - alpha * g."""
    return (var - alpha * delta,)


def _shrunk(step: Any, rate: Any, l1: Any, l2: Any) -> Any:
    """What l1 and l2 leave of a step's result: moved toward zero by rate * l1, then divided."""
    if l1 > 0:
        step = np.sign(step) * np.maximum(np.abs(step) - rate * l1, 0)
    return step / (1 + rate * l2)


def proximal_gradient_descent(var, alpha, l1, l2, delta):
    """A step, then the proximal map of l1 * |var| + l2 * var**2 / 2."""
    return (_shrunk(var - alpha * delta, alpha, l1, l2),)


def momentum(var, accum, lr, grad, momentum, use_nesterov=False):
    """accum := momentum * accum + g, var := var - lr * accum; Nesterov's form looks one step ahead."""
    accum = accum * momentum + grad
    step = grad * lr + accum * momentum * lr if use_nesterov else lr * accum
    return var - step, accum


def keras_momentum(var, accum, lr, grad, momentum, use_nesterov=False):
    """accum := momentum * accum - lr * g, var := var + accum."""
    accum = accum * momentum - grad * lr
    return var + (accum * momentum - grad * lr if use_nesterov else accum), accum


def adagrad(var, accum, lr, grad, update_slots=True):
    """accum := accum + g**2, var := var - lr * g / sqrt(accum)."""
    accum = accum + grad * grad if update_slots else accum
    return var - lr * grad / np.sqrt(accum), accum


def adagrad_v2(var, accum, lr, epsilon, grad, update_slots=True):
    """As Adagrad, with epsilon beside the root."""
    accum = accum + grad * grad if update_slots else accum
    return var - lr * grad / (np.sqrt(accum) + epsilon), accum


def proximal_adagrad(var, accum, lr, l1, l2, grad):
    """Adagrad's rate in a proximal step."""
    accum = accum + grad * grad
    rate = lr / np.sqrt(accum)
    return _shrunk(var - grad * rate, rate, l1, l2), accum


def adagrad_da(var, gradient_accumulator, gradient_squared_accumulator, grad, lr, l1, l2, global_step):
    """Dual averaging: var from the sums of all gradients and their squares."""
    total = gradient_accumulator + grad
    squares = gradient_squared_accumulator + grad * grad
    steps = np.asarray(global_step).astype(total.dtype)
    kept = np.sign(total) * np.maximum(np.abs(total) - l1 * steps, 0) if l1 > 0 else total
    return -lr * kept / (l2 * steps * lr + np.sqrt(squares)), total, squares


def adadelta(var, accum, accum_update, lr, rho, epsilon, grad):
    """Steps as long as the root mean square of past steps over that of past gradients."""
    accum = rho * accum + (1 - rho) * grad * grad
    update = np.sqrt(accum_update + epsilon) / np.sqrt(accum + epsilon) * grad
    accum_update = rho * accum_update + (1 - rho) * update * update
    return var - lr * update, accum, accum_update


def ftrl(var, accum, linear, grad, lr, l1, l2, lr_power, multiply_linear_by_lr=False):
    """Follow the regularized leader: the minimum of what `linear` and `accum` sum up."""
    return _ftrl(var, accum, linear, grad, grad, lr, l1, l2, lr_power, multiply_linear_by_lr)


def ftrl_v2(var, accum, linear, grad, lr, l1, l2, l2_shrinkage, lr_power, multiply_linear_by_lr=False):
    """As Ftrl, with a pull toward zero in the gradient."""
    shrunk = grad + 2 * l2_shrinkage * var
    return _ftrl(var, accum, linear, grad, shrunk, lr, l1, l2, lr_power, multiply_linear_by_lr)


def _ftrl(var, accum, linear, grad, pulled, lr, l1, l2, lr_power, multiply):
    new = accum + grad * grad
    before, after = (np.sqrt(a) if lr_power == -0.5 else a ** (-lr_power) for a in (accum, new))
    if multiply:
        linear = linear + pulled * lr - (after - before) * var
        limit, slope = l1 * lr, after + 2 * l2 * lr
    else:
        linear = linear + pulled - (after - before) / lr * var
        limit, slope = l1, after / lr + 2 * l2
    at_minimum = (np.sign(linear) * limit - linear) / slope
    return np.where(np.abs(linear) > limit, at_minimum, np.zeros((), var.dtype)), new, linear


def adam(var, m, v, beta1_power, beta2_power, lr, beta1, beta2, epsilon, grad, use_nesterov=False):
    """m and v are running means of g and g**2; var := var - rate * m / (sqrt(v) + epsilon)."""
    rate = lr * np.sqrt(1 - beta2_power) / (1 - beta1_power)
    m = beta1 * m + (1 - beta1) * grad
    v = beta2 * v + (1 - beta2) * (grad * grad)
    ahead = m * beta1 + (1 - beta1) * grad if use_nesterov else m
    return var - rate * ahead / (np.sqrt(v) + epsilon), m, v


def adam_with_amsgrad(var, m, v, vhat, beta1_power, beta2_power, lr, beta1, beta2, epsilon, grad):
    """As Adam, by the largest v so far."""
    rate = lr * np.sqrt(1 - beta2_power) / (1 - beta1_power)
    m = beta1 * m + (1 - beta1) * grad
    v = beta2 * v + (1 - beta2) * (grad * grad)
    vhat = np.maximum(vhat, v)
    return var - rate * m / (np.sqrt(vhat) + epsilon), m, v, vhat


def ada_max(var, m, v, beta1_power, lr, beta1, beta2, epsilon, grad):
    """v is the largest |g|, fading; var := var - lr / (1 - beta1_power) * m / (v + epsilon)."""
    m = m + (grad - m) * (1 - beta1)
    v = np.maximum(beta2 * v, np.abs(grad))
    return var - lr / (1 - beta1_power) * (m / (v + epsilon)), m, v


def rms_prop(var, ms, mom, lr, rho, momentum, epsilon, grad):
    """ms is a running mean of g**2; mom := momentum * mom + lr * g / sqrt(ms + epsilon), var := var - mom."""
    ms = ms + (1 - rho) * (grad * grad - ms)
    mom = momentum * mom + lr * grad / np.sqrt(ms + epsilon)
    return var - mom, ms, mom


def centered_rms_prop(var, mg, ms, mom, lr, rho, momentum, epsilon, grad):
    """As RMSProp, by the variance of g."""
    ms = ms + (1 - rho) * (grad * grad - ms)
    mg = mg + (1 - rho) * (grad - mg)
    mom = momentum * mom + lr * grad / np.sqrt(ms - mg * mg + epsilon)
    return var - mom, mg, ms, mom


def _agreement(m: Any, grad: Any, beta: Any) -> tuple[Any, Any]:
    m = beta * m + (1 - beta) * grad
    return m, np.sign(grad) * np.sign(m)


def add_sign(var, m, lr, alpha, sign_decay, beta, grad):
    """Longer steps where g agrees in sign with its running mean m."""
    m, agrees = _agreement(m, grad, beta)
    return var - lr * (alpha + sign_decay * agrees) * grad, m


def power_sign(var, m, lr, logbase, sign_decay, beta, grad):
    """Steps times a power of agreement."""
    m, agrees = _agreement(m, grad, beta)
    return var - lr * np.exp(logbase * sign_decay * agrees) * grad, m
