"""Record how packing treats order, axes, lengths and steps, and its effect on speed."""

from parity.divergences.entry import DEPENDS, DIFFERS, FALSE, PARTLY, divergence


@divergence(
    claim="After `pad_packed_sequence`, `output[:, -1]` is each sequence's last output.",
    verdict=FALSE,
    expected={
        "pytorch": {"output[:, -1]": [6.0, 0.0], "h[-1]": [6.0, 3.0]},
        "tensorflow": {"output[:, -1] of a masked layer": [6.0, 3.0], "output[:, -1] in Bidirectional": [6.0, 0.0]},
    },
    why="The last column is padding, hence 0, for all sequences but the longest, so a head on top of it outputs its "
    "own bias only. Keras repeats the last output on padding, so the same code is right there, until the layer is "
    "wrapped.",
    instead="Use `h[-1]`, the final state, or gather the output at `lengths - 1`.",
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
            nn.init.ones_(weight)  # each output is the sum up to its step
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
    expected={"pytorch": {"same outputs": True, "same states": True, "shape of the packed data": [5, 1]}},
    why="A `PackedSequence` has no batch axis: it contains the real steps one after the other. The layer's "
    "`batch_first` applies to padded tensors; hidden states have the shape (layers, B, H) in any case.",
    instead="Pass `batch_first=True` where tensors are padded: to `pack_padded_sequence` and to `pad_packed_sequence`.",
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
        with_batch_first, without = nn.RNN(1, 1, batch_first=True), nn.RNN(1, 1)
        without.load_state_dict(with_batch_first.state_dict())
        (y, h), (other_y, other_h) = with_batch_first(packed), without(packed)
        return {
            "same outputs": torch.equal(y.data, other_y.data),
            "same states": torch.equal(h, other_h),
            "shape of the packed data": list(packed.data.shape),
        }


@divergence(
    claim="A missing `batch_first` in `pack_padded_sequence` raises an error about shapes.",
    verdict=FALSE,
    expected={"pytorch": {"first sequence": [1.0, 4.0, 7.0], "first sequence with batch_first": [1.0, 2.0, 3.0]}},
    why="It reads (B, T, D) as (T, B, D). Where there are as many lengths as steps, that is a valid batch too, but of "
    "columns.",
    instead="Write `pack_padded_sequence(x, lengths, batch_first=True)`, and test with a B and a T that differ.",
    operation="rnn.rnn",
    sources=("https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.pack_padded_sequence.html",),
)
class batch_first_forgotten:
    def pytorch():
        import torch
        from torch.nn.utils.rnn import pack_padded_sequence, unpack_sequence

        x = torch.tensor([[1.0, 2, 3], [4, 5, 0], [7, 0, 0]])[:, :, None]
        without = pack_padded_sequence(x, [3, 2, 1])
        with_batch_first = pack_padded_sequence(x, [3, 2, 1], batch_first=True)
        return {
            "first sequence": unpack_sequence(without)[0][:, 0].tolist(),
            "first sequence with batch_first": unpack_sequence(with_batch_first)[0][:, 0].tolist(),
        }


@divergence(
    claim="A batch must be sorted by length before packing, and its outputs must be put back in order.",
    verdict=FALSE,
    expected={
        "pytorch": {
            "unsorted": "RuntimeError: … must be sorted in decreasing order …",
            "states with enforce_sorted=False": [3.0, 6.0],
            "outputs with enforce_sorted=False": [[1.0, 3.0, 0.0], [1.0, 3.0, 6.0]],
            "states with initial states that differ": [13.0, 26.0],
        }
    },
    why="With `enforce_sorted=False`, the packed batch stores the order. The layer applies it to the initial states "
    "and reverts it for the final ones, and `pad_packed_sequence` reverts it for the outputs. The default is for ONNX "
    "export.",
    instead="Pass `enforce_sorted=False`. Only tensors that are combined with `packed.data` directly, such as "
    "targets, must be packed the same way.",
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
            nn.init.ones_(weight)  # each output is the sum up to its step
        packed = pack_padded_sequence(x, [2, 3], batch_first=True, enforce_sorted=False)
        y, h = rnn(packed)
        _, shifted = rnn(packed, torch.tensor([[[10.0], [20.0]]]))
        return {
            "unsorted": raised(
                lambda: pack_padded_sequence(x, [2, 3], batch_first=True), says="must be sorted in decreasing order"
            ),
            "states with enforce_sorted=False": h[0, :, 0].tolist(),
            "outputs with enforce_sorted=False": pad_packed_sequence(y, batch_first=True)[0][:, :, 0].tolist(),
            "states with initial states that differ": shifted[0, :, 0].tolist(),
        }


@divergence(
    claim="`batch_sizes` of a packed batch are the lengths of its sequences.",
    verdict=FALSE,
    expected={"pytorch": {"lengths": [4, 2, 1], "batch_sizes": [3, 2, 1, 1], "lengths again": [4, 2, 1]}},
    why="`batch_sizes[t]` is how many sequences have a step t: one number for each step, not for each sequence. Where "
    "there are as many steps as sequences, taking it for the lengths raises nothing.",
    instead="`pad_packed_sequence` returns the lengths as its second value; or count: `(batch_sizes[:, None] > "
    "torch.arange(B)).sum(0)`, in the order that the batch was sorted to.",
    operation="rnn.lstm",
    sources=("https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.PackedSequence.html",),
)
class batch_sizes:
    def pytorch():
        import torch
        from torch.nn.utils.rnn import pack_padded_sequence

        lengths = [4, 2, 1]
        sizes = pack_padded_sequence(torch.ones(3, 4, 1), lengths, batch_first=True).batch_sizes
        again = (sizes[:, None] > torch.arange(3)).sum(0)
        return {"lengths": lengths, "batch_sizes": sizes.tolist(), "lengths again": again.tolist()}


@divergence(
    claim="The output of a recurrent layer has as many steps as its input.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"steps in": 4, "steps out": 3, "steps out with total_length": 4},
        "tensorflow": {"steps in": 4, "steps out": 4},
    },
    why="`pad_packed_sequence` pads to the longest length of the batch, not to the length of the input. It matters "
    "where the output meets a mask, a residual or another device's part of the batch (`nn.DataParallel`), and where "
    "the data set fixes T.",
    instead="Use `pad_packed_sequence(…, total_length=x.shape[1])`.",
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
        return {"steps in": x.shape[1], "steps out": short.shape[1], "steps out with total_length": full.shape[1]}

    def tensorflow():
        import keras
        import tensorflow as tf

        x = tf.ones((2, 4, 1))
        y = keras.layers.SimpleRNN(1, return_sequences=True)(x, mask=tf.sequence_mask([3, 2], x.shape[1]))
        return {"steps in": x.shape[1], "steps out": y.shape[1]}


@divergence(
    claim="Lengths are a tensor like any other, on the model's device.",
    verdict=DIFFERS,
    expected={
        "pytorch": {
            "a list": "nothing raised",
            "int32": "nothing raised",
            "not on the CPU": "RuntimeError: … 'lengths' argument should be a 1D CPU int64 tensor …",
        },
        "tensorflow": {"int64": [3, 2], "int32": [3, 2], "counted in a graph": [3, 2]},
    },
    why="Packing computes the size of each step's batch from the lengths, so Python has to read them: lengths on a "
    "GPU cost a copy, and with it a wait. A mask stays on the device where it is made. (Here the `meta` device stands "
    "in for a GPU.)",
    instead="Keep lengths on the CPU from the data loader on, or write `lengths.cpu()` and accept the wait.",
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
    expected={
        "pytorch": {
            "packing": "nothing raised",
            "steps counted and steps copied": [6, 5],
            "layer on the packed batch": "RuntimeError: … exceeds dimension size …",
        },
        "tensorflow": {"dynamic_rnn": [[1.0, 3.0, 6.0], [1.0, 3.0, 0.0]], "mask": [3, 2]},
    },
    why="Packing counts four steps and copies three; the layer then runs out of data, and raises an error about a "
    "slice. In TensorFlow the comparison of step and length has the same result for 3 and for 4.",
    instead="Check the lengths where they are made: `assert max(lengths) <= x.shape[1]`.",
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
            "steps counted and steps copied": [packed.batch_sizes.sum().item(), len(packed.data)],
            "layer on the packed batch": raised(lambda: nn.RNN(1, 1)(packed), says="exceeds dimension size"),
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
    claim="`unpad_sequence` does not modify the tensor that it receives.",
    verdict=FALSE,
    expected={"pytorch": {"before": [3, 2], "after": [2, 3], "after with batch_first=True": [2, 3]}},
    why="Without `batch_first`, it transposes its argument with `transpose_`, in place.",
    instead="Use `unpad_sequence(x.transpose(0, 1), lengths, batch_first=True)`.",
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
    expected={
        "pytorch": {"rows of real steps": 11, "rows computed when packed": 11},
        "tensorflow": {
            "rows of real steps": 11,
            "rows computed by dynamic_rnn": 40,
            "rows computed by dynamic_rnn in a graph": 32,
        },
    },
    why="The loop computes the whole batch at each step, and discards the outputs of a row after its end. In a graph "
    "it stops after the longest sequence; otherwise it runs over the padding too. Only packing computes each row to "
    "its own end.",
    instead="Use batches of similar length, with padding to the longest of the batch, not of the data set.",
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
    verdict=DEPENDS,
    expected={
        "pytorch": {
            "padded is one oneDNN call if available": True,
            "packed is one oneDNN call": False,
            "matrix products when packed": 6,
            "packed with equal lengths is like padded": True,
        },
        "tensorflow": {"steps without a mask": 10, "steps with a mask": 10},
    },
    why="It depends on the layer, the kernel and the device, and may be slower. Measured in training on two cores of a "
    "CPU: with lengths "
    "that fill 24 % of B, T, D, H = 32, 64, 64, 128, PyTorch's packed LSTM is 0.41 times as fast as a padded one. With "
    "28 % of 64, 128, 128, 256, its packed GRU is 0.74 times as fast, a masked LSTM in Keras 0.86 times, and a loop "
    "over packed steps with a backward pass of its own 3.01 times (PyTorch, GRU) and 4.55 times (TensorFlow, LSTM). No "
    "GPU was measured. This code shows the reason on a CPU: a padded float32 LSTM is one call of oneDNN, a packed one "
    "is a loop with a product for each step, and in Keras a mask saves no step.",
    instead="Measure it on your machine, for your lengths: `parity advise --lengths FILE`. Batches of similar length "
    "save steps without a change to the model.",
    operation="rnn.lstm",
    sources=("https://github.com/pytorch/pytorch/issues/149194", "https://github.com/pytorch/pytorch/pull/73211"),
)
class faster:
    def pytorch():
        import torch
        from torch import nn
        from torch.nn.utils.rnn import pack_padded_sequence

        def operations(y):
            """List the operations that the backward pass will visit, and so those that ran."""
            nodes, todo = set(), [y.grad_fn]
            while todo:
                node = todo.pop()
                if node and node not in nodes:
                    nodes.add(node)
                    todo += [parent for parent, _ in node.next_functions]
            return [node.name() for node in nodes]

        lstm, x = nn.LSTM(4, 4, batch_first=True), torch.ones(3, 5, 4)
        padded = operations(lstm(x)[0])
        packed = operations(lstm(pack_padded_sequence(x, [5, 3, 2], batch_first=True))[0].data)
        equal = operations(lstm(pack_padded_sequence(x, [5, 5, 5], batch_first=True))[0].data)
        onednn = "MkldnnRnnLayerBackward0"
        return {
            "padded is one oneDNN call if available": (onednn in padded) == torch.backends.mkldnn.is_available(),
            "packed is one oneDNN call": onednn in packed,
            "matrix products when packed": packed.count("AddmmBackward0"),
            "packed with equal lengths is like padded": (onednn in equal) == (onednn in padded),
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
            steps.assign(-1)  # one call infers the shape of the output
            rnn(x, mask=mask)
            return int(steps)

        return {"steps without a mask": count(None), "steps with a mask": count(tf.sequence_mask([8, 1, 1, 1], 10))}


@divergence(
    claim="A batch may be cut into chunks of time, if the state of each chunk is handed on to the next.",
    verdict=PARTLY,
    expected={
        "pytorch": {
            "at once": [0.7616, 0.9051],
            "chunks": [0.9051, 0.9051],
            "chunks, packed": "RuntimeError: Length of all samples has to be greater than 0",
            "gradient of the first step": [0.0757, 0.0],
        },
        "tensorflow": {"at once": [0.7616, 0.9051], "chunks": [0.9051, 0.9051], "chunks with a mask": [0.7616, 0.9051]},
    },
    why="A sequence that has ended goes on over the padding of later chunks, unless a mask keeps its state. Where it "
    "has no step in a chunk, `pack_padded_sequence` refuses it, and the output of a masked layer is 0, though not its "
    "state. If the state is detached, as in truncated backpropagation, the gradient ends at the chunk.",
    instead="Give each chunk its mask, or take the rows that go on out, pack them, and put their states back. Compare "
    "gradients with a state that is not detached.",
    operation="rnn.rnn",
    sources=(
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.pack_padded_sequence.html",
        "https://github.com/Lightning-AI/pytorch-lightning/issues/293",
        "https://keras.io/api/layers/recurrent_layers/rnn/",
    ),
)
class chunks_of_time:
    def pytorch():
        import torch
        from torch import nn
        from torch.nn.utils.rnn import pack_padded_sequence

        rnn = nn.RNN(1, 1, bias=False, batch_first=True)
        for weight in rnn.parameters():
            nn.init.ones_(weight)
        x = torch.tensor([[[1.0], [0.74]], [[1.0], [0.74]]], requires_grad=True)
        lengths = torch.tensor([1, 2])
        _, at_once = rnn(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))
        _, state = rnn(x[:, :1])
        _, chunks = rnn(x[:, 1:], state)
        _, truncated = rnn(x[:, 1:], state.detach())
        try:
            packed = pack_padded_sequence(x[:, 1:], lengths - 1, batch_first=True, enforce_sorted=False)
            in_packed_chunks = rnn(packed, state)[1].flatten().tolist()
        except RuntimeError as error:
            in_packed_chunks = f"RuntimeError: {str(error).partition(',')[0]}"
        slopes = [torch.autograd.grad(h[0, 1, 0], x, retain_graph=True)[0][1, 0, 0] for h in (chunks, truncated)]
        return {
            "at once": [round(h, 4) for h in at_once.flatten().tolist()],
            "chunks": [round(h, 4) for h in chunks.flatten().tolist()],
            "chunks, packed": in_packed_chunks,
            "gradient of the first step": [round(slope.item(), 4) for slope in slopes],
        }

    def tensorflow():
        import keras
        import numpy as np

        x = np.array([[[1.0], [0.74]], [[1.0], [0.74]]], np.float32)
        mask = np.array([[True, False], [True, True]])
        options = {"use_bias": False, "kernel_initializer": "ones", "recurrent_initializer": "ones"}
        rnn = keras.layers.SimpleRNN(1, return_state=True, **options)

        def last(*parts):
            state = None
            for part, real in parts:
                _, state = rnn(part, mask=real, initial_state=state)
            return [round(float(h), 4) for h in state[:, 0]]

        halves = (x[:, :1], mask[:, :1]), (x[:, 1:], mask[:, 1:])
        return {
            "at once": last((x, mask)),
            "chunks": last(*((part, None) for part, _ in halves)),
            "chunks with a mask": last(*halves),
        }


@divergence(
    claim="A batch of at most N tokens needs the memory of N tokens.",
    verdict=FALSE,
    expected={
        "pytorch": {"padded": 400, "packed": 130},
        "tensorflow": {"padded": 400, "padded in two buckets": 130, "ragged": 130},
    },
    why="A padded batch has as many tokens as rows times the longest sequence: one of 100 tokens among three of 10 "
    "makes 400 of 130. A sampler that counts real tokens, such as a dynamic batch size, runs out of memory on such a "
    "batch. Buckets of like lengths keep both numbers close; packed rows make them equal.",
    instead="Limit rows times longest sequence, sort or bucket by length first (`bucket_by_sequence_length`), or pack.",
    sources=(
        "https://github.com/meta-pytorch/data/issues/788",
        "https://www.tensorflow.org/api_docs/python/tf/data/Dataset#bucket_by_sequence_length",
    ),
)
class tokens_of_a_batch:
    def pytorch():
        import torch
        from torch.nn.utils.rnn import pack_sequence, pad_sequence

        sequences = [torch.ones(length) for length in (100, 10, 10, 10)]
        return {"padded": pad_sequence(sequences).numel(), "packed": pack_sequence(sequences).data.numel()}

    def tensorflow():
        import tensorflow as tf

        ragged = tf.RaggedTensor.from_row_lengths(tf.ones(130), [100, 10, 10, 10])
        rows = tf.data.Dataset.from_tensor_slices([100, 10, 10, 10]).map(lambda length: tf.ones(length))
        buckets = rows.bucket_by_sequence_length(tf.size, [50], [4, 4])
        return {
            "padded": int(tf.size(ragged.to_tensor())),
            "padded in two buckets": sum(int(tf.size(batch)) for batch in buckets),
            "ragged": int(tf.size(ragged.flat_values)),
        }
