"""What the inner modules of `tf.distributions` named beside the families: variants, checks, the normal's functions.

Next: compat/shadow/nest.py.
"""

from refflow.compat.v1.distributions.checks import *  # noqa: F403
from refflow.compat.v1.distributions.normal_functions import log_cdf_laplace as log_cdf_laplace
from refflow.compat.v1.distributions.normal_functions import log_ndtr as log_ndtr
from refflow.compat.v1.distributions.normal_functions import ndtr as ndtr
from refflow.compat.v1.distributions.softplus import *  # noqa: F403
