"""What a computation is: types, shapes, graphs, operations, gradients. No neural nets here [S39]."""
