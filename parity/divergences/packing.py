"""What packing does, and what it does not: order, axes, lengths, steps, speed."""

from parity.divergences.entry import DIFFERS, FALSE, divergence


@divergence(
    claim="After `pad_packed_sequence`, `output[:, -1]` is each sequence's last output.",
    verdict=FALSE,
    seen={
        "pytorch": {"output[:, -1]": [6.0, 0.0], "h[-1]": [6.0, 3.0]},
        "tensorflow": {"output[:, -1] of a masked layer": [6.0, 3.0], "output[:, -1] in Bidirectional": [6.0, 0.0]},
    },
    why="The last column is padding, hence 0, for all sequences but the longest: a head on top of it sees its own "
    "bias only. Keras repeats the last output on padding, so that the same code is right there, until the layer is "
    "wrapped.",
    instead="`h[-1]`, the final state, or gather the output at `lengths - 1`.",
    operation="pooling.last_relevant",
    sources=(
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.pad_packed_sequence.html",
        "https://github.com/pytorch/pytorch/pull/1375",
    ),
)
class last_output:
    def pytorch():
        import torch
        from torch import nn
        from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

        x = torch.tensor([[1.0, 2, 3], [1, 2, 0]])[:, :, None]
        rnn = nn.RNN(1, 1, nonlinearity="relu", bias=False, batch_first=True)
        for weight in rnn.parameters():
            nn.init.ones_(weight)  # each output is the sum so far
        packed, h = rnn(pack_padded_sequence(x, [3, 2], batch_first=True))
        output, _ = pad_packed_sequence(packed, batch_first=True)
        return {"output[:, -1]": output[:, -1, 0].tolist(), "h[-1]": h[-1, :, 0].tolist()}

    def tensorflow():
        import keras
        import tensorflow as tf

        x = tf.constant([[1.0, 2, 3], [1, 2, 0]])[:, :, None]
        mask = tf.sequence_mask([3, 2])
        ones = {"activation": "relu", "kernel_initializer": "ones", "recurrent_initializer": "ones"}
        rnn = keras.layers.SimpleRNN(1, return_sequences=True, **ones)
        both = keras.layers.Bidirectional(keras.layers.SimpleRNN(1, return_sequences=True, **ones))
        return {
            "output[:, -1] of a masked layer": rnn(x, mask=mask)[:, -1, 0].numpy().tolist(),
            "output[:, -1] in Bidirectional": both(x, mask=mask)[:, -1, 0].numpy().tolist(),
        }


@divergence(
    claim="A batch that was packed with `batch_first` needs a layer with `batch_first`.",
    verdict=FALSE,
    seen={"pytorch": {"same outputs": True, "same states": True, "data of the packed batch": [5, 1]}},
    why="A `PackedSequence` has no batch axis: it is the real steps one after the other. The layer's `batch_first` is "
    "about padded tensors; states are (layers, B, H) in any case.",
    instead="`batch_first=True` where tensors are padded: in `pack_padded_sequence` and in `pad_packed_sequence`.",
    operation="rnn.rnn",
    sources=("https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.PackedSequence.html",),
)
class batch_first:
    def pytorch():
        import torch
        from torch import nn
        from torch.nn.utils.rnn import pack_padded_sequence

        x = torch.tensor([[1.0, 2, 3], [1, 2, 0]])[:, :, None]
        packed = pack_padded_sequence(x, [3, 2], batch_first=True)
        with_it, without = nn.RNN(1, 1, batch_first=True), nn.RNN(1, 1)
        without.load_state_dict(with_it.state_dict())
        (y, h), (other_y, other_h) = with_it(packed), without(packed)
        return {
            "same outputs": torch.equal(y.data, other_y.data),
            "same states": torch.equal(h, other_h),
            "data of the packed batch": list(packed.data.shape),
        }


@divergence(
    claim="If `pack_padded_sequence` lacks its `batch_first`, the shapes will tell.",
    verdict=FALSE,
    seen={"pytorch": {"first sequence": [1.0, 4.0, 7.0], "with batch_first": [1.0, 2.0, 3.0]}},
    why="It takes (B, T, D) for (T, B, D). Where there are as many lengths as steps, that is a batch too: of columns.",
    instead="`pack_padded_sequence(x, lengths, batch_first=True)`, and tests in which B and T differ.",
    operation="rnn.rnn",
    sources=("https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.pack_padded_sequence.html",),
)
class batch_first_forgotten:
    def pytorch():
        import torch
        from torch.nn.utils.rnn import pack_padded_sequence, unpack_sequence

        x = torch.tensor([[1.0, 2, 3], [4, 5, 0], [7, 0, 0]])[:, :, None]
        forgotten = pack_padded_sequence(x, [3, 2, 1])
        right = pack_padded_sequence(x, [3, 2, 1], batch_first=True)
        return {
            "first sequence": unpack_sequence(forgotten)[0][:, 0].tolist(),
            "with batch_first": unpack_sequence(right)[0][:, 0].tolist(),
        }


@divergence(
    claim="A batch has to be sorted by length before it is packed, and what comes out put back in order.",
    verdict=FALSE,
    seen={
        "pytorch": {
            "unsorted": "RuntimeError: … must be sorted in decreasing order …",
            "states with enforce_sorted=False": [3.0, 6.0],
            "and outputs": [[1.0, 3.0, 0.0], [1.0, 3.0, 6.0]],
            "and initial states that differ": [13.0, 26.0],
        }
    },
    why="With `enforce_sorted=False` the packed batch remembers the order; the layer applies it to the initial states "
    "and undoes it for the final ones, and `pad_packed_sequence` for the outputs. The default is for ONNX export.",
    instead="`enforce_sorted=False`. Only what reads `packed.data` directly, targets say, must be packed the same way.",
    operation="rnn.rnn",
    sources=("https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.pack_padded_sequence.html",),
)
class sorted_batch:
    def pytorch():
        import torch
        from torch import nn
        from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

        from parity.divergences.entry import raised

        x = torch.tensor([[1.0, 2, 0], [1, 2, 3]])[:, :, None]
        rnn = nn.RNN(1, 1, nonlinearity="relu", bias=False, batch_first=True)
        for weight in rnn.parameters():
            nn.init.ones_(weight)  # each output is the sum so far
        packed = pack_padded_sequence(x, [2, 3], batch_first=True, enforce_sorted=False)
        y, h = rnn(packed)
        _, shifted = rnn(packed, torch.tensor([[[10.0], [20.0]]]))
        return {
            "unsorted": raised(
                lambda: pack_padded_sequence(x, [2, 3], batch_first=True), says="must be sorted in decreasing order"
            ),
            "states with enforce_sorted=False": h[0, :, 0].tolist(),
            "and outputs": pad_packed_sequence(y, batch_first=True)[0][:, :, 0].tolist(),
            "and initial states that differ": shifted[0, :, 0].tolist(),
        }


@divergence(
    claim="A batch comes out of a recurrent layer as long as it went in.",
    verdict=DIFFERS,
    seen={
        "pytorch": {"in": 4, "out": 3, "out with total_length": 4},
        "tensorflow": {"in": 4, "out": 4},
    },
    why="`pad_packed_sequence` pads to the longest length of the batch, not to the length that the input had. It "
    "shows where the output meets a mask, a residual or another device's part of the batch, and where T is fixed by "
    "the data set.",
    instead="`pad_packed_sequence(…, total_length=x.shape[1])`.",
    operation="rnn.rnn",
    sources=(
        "https://github.com/pytorch/pytorch/issues/6299",
        "https://github.com/pytorch/pytorch/issues/1591",
        "https://github.com/pytorch/pytorch/issues/144207",
    ),
)
class truncation:
    def pytorch():
        import torch
        from torch import nn
        from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

        x = torch.ones(2, 4, 1)
        y, _ = nn.RNN(1, 1, batch_first=True)(pack_padded_sequence(x, [3, 2], batch_first=True))
        short, _ = pad_packed_sequence(y, batch_first=True)
        full, _ = pad_packed_sequence(y, batch_first=True, total_length=x.shape[1])
        return {"in": x.shape[1], "out": short.shape[1], "out with total_length": full.shape[1]}

    def tensorflow():
        import keras
        import tensorflow as tf

        x = tf.ones((2, 4, 1))
        y = keras.layers.SimpleRNN(1, return_sequences=True)(x, mask=tf.sequence_mask([3, 2], x.shape[1]))
        return {"in": x.shape[1], "out": y.shape[1]}


@divergence(
    claim="Lengths are a tensor like any other, on the model's device.",
    verdict=DIFFERS,
    seen={
        "pytorch": {
            "a list": "nothing raised",
            "int32": "nothing raised",
            "not on the CPU": "RuntimeError: … 'lengths' argument should be a 1D CPU int64 tensor …",
        },
        "tensorflow": {"int64": [3, 2], "int32": [3, 2], "counted in a graph": [3, 2]},
    },
    why="Packing decides by the lengths how large each step's batch is, so that Python has to see them: lengths that "
    "come from a GPU cost a copy, and with it a wait. A mask stays where it is made. (Here the `meta` device stands "
    "in for a GPU.)",
    instead="Keep lengths on the CPU from the data loader on, or write `lengths.cpu()` and know that it waits.",
    operation="rnn.rnn",
    sources=("https://github.com/pytorch/pytorch/issues/43227", "https://github.com/pytorch/pytorch/issues/7466"),
)
class lengths_device:
    def pytorch():
        import torch
        from torch.nn.utils.rnn import pack_padded_sequence

        from parity.divergences.entry import raised

        def pack(lengths):
            return raised(
                lambda: pack_padded_sequence(torch.ones(2, 3, 1), lengths, batch_first=True),
                says="'lengths' argument should be a 1D CPU int64 tensor",
            )

        return {
            "a list": pack([3, 2]),
            "int32": pack(torch.tensor([3, 2], dtype=torch.int32)),
            "not on the CPU": pack(torch.tensor([3, 2], device="meta")),
        }

    def tensorflow():
        import tensorflow as tf

        @tf.function
        def counted(tokens):
            return tf.sequence_mask(tf.math.count_nonzero(tokens, axis=1))

        masks = {
            "int64": tf.sequence_mask(tf.constant([3, 2], tf.int64)),
            "int32": tf.sequence_mask(tf.constant([3, 2], tf.int32)),
            "counted in a graph": counted(tf.constant([[5, 6, 7], [5, 6, 0]])),
        }
        return {name: tf.reduce_sum(tf.cast(mask, tf.int32), 1).numpy().tolist() for name, mask in masks.items()}


@divergence(
    claim="A length that is greater than the number of steps is an error.",
    verdict=DIFFERS,
    seen={
        "pytorch": {
            "packing": "nothing raised",
            "steps promised and steps there": [6, 5],
            "then the layer": "RuntimeError: … exceeds dimension size …",
        },
        "tensorflow": {"dynamic_rnn": [[1.0, 3.0, 6.0], [1.0, 3.0, 0.0]], "mask": [3, 2]},
    },
    why="Packing counts four steps and copies three; the layer then runs out of data, and says so in terms of a "
    "slice. In TensorFlow the comparison of step and length has the same result for 3 and for 4.",
    instead="Check it where the lengths are made: `assert max(lengths) <= x.shape[1]`.",
    operation="rnn.rnn",
    sources=(
        "https://github.com/pytorch/pytorch/issues/144207",
        "https://www.tensorflow.org/api_docs/python/tf/sequence_mask",
    ),
)
class length_beyond_the_end:
    def pytorch():
        import torch
        from torch import nn
        from torch.nn.utils.rnn import pack_padded_sequence

        from parity.divergences.entry import raised

        x = torch.ones(2, 3, 1)
        packed = pack_padded_sequence(x, [4, 2], batch_first=True)
        return {
            "packing": raised(lambda: pack_padded_sequence(x, [4, 2], batch_first=True)),
            "steps promised and steps there": [packed.batch_sizes.sum().item(), len(packed.data)],
            "then the layer": raised(lambda: nn.RNN(1, 1)(packed), says="exceeds dimension size"),
        }

    def tensorflow():
        import tensorflow as tf

        class Sum:
            state_size = output_size = 1

            def zero_state(self, batch, dtype):
                return tf.zeros((batch, 1), dtype)

            def __call__(self, x, h):
                return x + h, x + h

        x = tf.constant([[1.0, 2, 3], [1, 2, 9]])[:, :, None]
        y, _ = tf.compat.v1.nn.dynamic_rnn(Sum(), x, sequence_length=[4, 2], dtype=tf.float32)
        mask = tf.sequence_mask([4, 2], x.shape[1])
        return {
            "dynamic_rnn": y[:, :, 0].numpy().tolist(),
            "mask": tf.reduce_sum(tf.cast(mask, tf.int32), 1).numpy().tolist(),
        }


@divergence(
    claim="`unpad_sequence` leaves the tensor that it is given as it was.",
    verdict=FALSE,
    seen={"pytorch": {"before": [3, 2], "after": [2, 3], "after with batch_first=True": [2, 3]}},
    why="Unless `batch_first`, it turns its argument with `transpose_`, in place.",
    instead="`unpad_sequence(x.transpose(0, 1), lengths, batch_first=True)`.",
    sources=("https://github.com/pytorch/pytorch/pull/121096", "https://github.com/pytorch/pytorch/pull/190397"),
)
class unpad_sequence:
    def pytorch():
        import torch
        from torch.nn.utils.rnn import unpad_sequence

        lengths = torch.tensor([3, 1])
        x, other = torch.zeros(3, 2), torch.zeros(2, 3)  # (T, B)  (B, T)
        before = list(x.shape)
        unpad_sequence(x, lengths)
        unpad_sequence(other, lengths, batch_first=True)
        return {"before": before, "after": list(x.shape), "after with batch_first=True": list(other.shape)}


@divergence(
    claim="With `sequence_length`, the cell is unrolled only up to the end of each sequence.",
    verdict=FALSE,
    seen={
        "pytorch": {"rows of real steps": 11, "rows computed when packed": 11},
        "tensorflow": {
            "rows of real steps": 11,
            "rows computed by dynamic_rnn": 40,
            "rows computed by dynamic_rnn in a graph": 32,
        },
    },
    why="The loop takes the whole batch from step to step; what a row gives after its end is thrown away. In a graph "
    "it stops after the longest sequence, else it runs over the padding too. Only packing computes each row to its "
    "own end.",
    instead="Batches of similar length; with padding to the longest of the batch, not of the data set.",
    operation="rnn.rnn",
    sources=(
        "https://tensorflow.org/api_docs/python/tf/compat/v1/nn/dynamic_rnn",
        "https://github.com/tensorflow/tensorflow/issues/1030",
    ),
)
class steps_computed:
    def pytorch():
        import torch
        from torch.nn.utils.rnn import pack_padded_sequence

        lengths = [8, 1, 1, 1]
        packed = pack_padded_sequence(torch.ones(4, 10, 1), lengths, batch_first=True)
        return {"rows of real steps": sum(lengths), "rows computed when packed": packed.batch_sizes.sum().item()}

    def tensorflow():
        import tensorflow as tf

        rows, lengths, x = tf.Variable(0), [8, 1, 1, 1], tf.ones((4, 10, 1))

        class Counting:
            state_size = output_size = 1

            def zero_state(self, batch, dtype):
                return tf.zeros((batch, 1), dtype)

            def __call__(self, x, h):
                rows.assign_add(tf.shape(x)[0])
                return h, h

        def run():
            tf.compat.v1.nn.dynamic_rnn(Counting(), x, sequence_length=lengths, dtype=tf.float32)

        def count(function):
            rows.assign(0)
            function()
            return int(rows)

        return {
            "rows of real steps": sum(lengths),
            "rows computed by dynamic_rnn": count(run),
            "rows computed by dynamic_rnn in a graph": count(tf.function(run)),
        }


@divergence(
    claim="Packing makes training faster.",
    verdict=FALSE,
    seen={
        "pytorch": {
            "padded is one oneDNN call where there is oneDNN": True,
            "packed is": False,
            "products of matrices when packed": 6,
            "packed with equal lengths is as padded": True,
        },
        "tensorflow": {"steps without a mask": 10, "steps with one": 10},
    },
    why="On a CPU, a padded float32 LSTM is one call of oneDNN; a packed one is a loop with a product for each step, "
    "as are GRU and RNN in any case. cuDNN has persistent kernels for padded batches only. In Keras a mask saves no "
    "step. `pytest benchmarks --benchmark-only` measures it, and the README says what it found.",
    instead="Batches of similar length, which bring more than packing and need no change to the model.",
    operation="rnn.lstm",
    sources=("https://github.com/pytorch/pytorch/issues/149194", "https://github.com/pytorch/pytorch/pull/73211"),
)
class faster:
    def pytorch():
        import torch
        from torch import nn
        from torch.nn.utils.rnn import pack_padded_sequence

        def ran(y):
            """What the backward pass will walk through, and so what ran."""
            nodes, todo = set(), [y.grad_fn]
            while todo:
                node = todo.pop()
                if node and node not in nodes:
                    nodes.add(node)
                    todo += [parent for parent, _ in node.next_functions]
            return [node.name() for node in nodes]

        lstm, x = nn.LSTM(4, 4, batch_first=True), torch.ones(3, 5, 4)
        padded = ran(lstm(x)[0])
        packed = ran(lstm(pack_padded_sequence(x, [5, 3, 2], batch_first=True))[0].data)
        equal = ran(lstm(pack_padded_sequence(x, [5, 5, 5], batch_first=True))[0].data)
        onednn = "MkldnnRnnLayerBackward0"
        return {
            "padded is one oneDNN call where there is oneDNN": (onednn in padded)
            == torch.backends.mkldnn.is_available(),
            "packed is": onednn in packed,
            "products of matrices when packed": packed.count("AddmmBackward0"),
            "packed with equal lengths is as padded": (onednn in equal) == (onednn in padded),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        steps = tf.Variable(0)

        class Counting(keras.layers.SimpleRNNCell):
            def call(self, *inputs, **options):
                steps.assign_add(1)
                return super().call(*inputs, **options)

        rnn, x = keras.layers.RNN(Counting(1)), tf.ones((4, 10, 1))

        def count(mask):
            steps.assign(-1)  # one call is for the shape of the output
            rnn(x, mask=mask)
            return int(steps)

        return {"steps without a mask": count(None), "steps with one": count(tf.sequence_mask([8, 1, 1, 1], 10))}
