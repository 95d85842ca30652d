"""The first release's public names: those that are there have its argument order, and what is not there is known."""

import inspect

import pytest

import refflow as tf

# name: arguments in the first release's order
ORDER = {
    "concat": "concat_dim values name", "split": "split_dim num_split value name", "gather": "params indices name",
    "matmul": "a b transpose_a transpose_b", "reduce_sum": "input_tensor reduction_indices keep_dims name",
    "clip_by_value": "t clip_value_min clip_value_max name", "get_variable": "name shape dtype initializer trainable",
    "sparse_to_dense": "sparse_indices output_shape sparse_values default_value name",
    "import_graph_def": "graph_def input_map return_elements name op_dict",
    "reverse_sequence": "input seq_lengths seq_dim", "parse_example": "serialized names sparse_keys sparse_types",
    "nn.conv2d": "input filter strides padding use_cudnn_on_gpu name",
    "nn.softmax_cross_entropy_with_logits": "logits labels name", "nn.dropout": "x keep_prob noise_shape seed name",
    "nn.sigmoid_cross_entropy_with_logits": "logits targets name", "nn.top_k": "input k name",
    "train.Saver": "var_list reshape sharded max_to_keep keep_checkpoint_every_n_hours name restore_sequentially",
    "train.exponential_decay": "learning_rate global_step decay_steps decay_rate staircase name",
    "train.start_queue_runners": "sess coord daemon start collection",
    "FIFOQueue": "capacity dtypes shapes shared_name",
    "RandomShuffleQueue": "capacity min_after_dequeue dtypes shapes seed shared_name name",
}  # fmt: skip

# Not there yet; a name that appears has to leave this list.
ABSENT = """
image.decode_png image.encode_png image.decode_jpeg image.random_crop image.flip_left_right image.resize_images
nn.nce_loss nn.sampled_softmax_loss nn.uniform_candidate_sampler
train.SummaryWriter scalar_summary histogram_summary image_summary merge_all_summaries
train.string_input_producer train.batch train.shuffle_batch train.FtrlOptimizer
control_flow_ops.cond control_flow_ops.While models.rnn test.TestCase app.run flags.DEFINE_string
""".split()  # noqa: SIM905  (a list to read)


def find(name):
    found = tf
    for part in name.split("."):
        found = getattr(found, part)
    return found


@pytest.mark.parametrize("name", ORDER)
def test_arguments_come_in_the_first_release_s_order(name):  # [E22]
    parameters = [p for p in inspect.signature(find(name)).parameters if p != "self"]
    wanted = ORDER[name].split()
    assert parameters[: len(wanted)] == wanted


@pytest.mark.parametrize("name", ABSENT)
def test_what_is_not_there_is_not_half_there(name):
    with pytest.raises(AttributeError):
        find(name)
