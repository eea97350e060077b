"""Where compilers part over batches whose lengths vary."""

from parity.divergences.entry import DIFFERS, divergence


@divergence(
    claim="A recurrent layer over a padded batch compiles as one graph.",
    verdict=DIFFERS,
    seen={
        "pytorch": {
            "packed with fullgraph=True": "Unsupported: … pack_padded_sequence …",
            "padded with fullgraph=True": "Unsupported: … RNN, GRU, or LSTM …",
        },
        "tensorflow": {"masked with jit_compile=True is as eager": True, "and with other lengths": True},
    },
    why="How large a packed batch is depends on the lengths, and a graph of PyTorch has sizes only: it breaks there, "
    "and what stands around it is compiled in pieces or not at all. Even a padded `nn.LSTM` it leaves alone, unless "
    "`torch._dynamo.config.allow_rnn` is set. A masked loop of TensorFlow's has one shape, and XLA takes it.",
    instead="Compile what is around the layer, and mark the layer itself with `torch.compiler.disable`; or write the "
    "loop, over a padded batch with `torch.where` at each step.",
    operation="rnn.lstm",
    sources=(
        "https://github.com/pytorch/pytorch/issues/162375",
        "https://github.com/pytorch/pytorch/pull/108096",
        "https://github.com/pytorch/pytorch/issues/158007",
        "https://github.com/pytorch/pytorch/issues/141184",
    ),
)
class packed:
    def pytorch():
        import torch
        from torch import nn
        from torch.nn.utils.rnn import pack_padded_sequence

        from parity.divergences.entry import raised

        rnn, x = nn.LSTM(1, 1, batch_first=True), torch.ones(2, 3, 1)

        @torch.compile(fullgraph=True, backend="eager")
        def over_packed(x, lengths):
            return rnn(pack_padded_sequence(x, lengths, batch_first=True))[0].data

        @torch.compile(fullgraph=True, backend="eager")
        def over_padded(x):
            return rnn(x)[0]

        return {
            "packed with fullgraph=True": raised(
                lambda: over_packed(x, torch.tensor([3, 2])), says="pack_padded_sequence"
            ),
            "padded with fullgraph=True": raised(lambda: over_padded(x), says="RNN, GRU, or LSTM"),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        rnn, x = keras.layers.SimpleRNN(1), tf.ones((2, 3, 1))
        rnn.build(x.shape)

        def final(x, lengths):
            return rnn(x, mask=tf.sequence_mask(lengths, x.shape[1]))

        compiled = tf.function(final, jit_compile=True)

        def agree(*lengths):
            lengths = tf.constant(lengths)
            return bool(tf.reduce_all(tf.abs(compiled(x, lengths) - final(x, lengths)) < 1e-6))

        return {"masked with jit_compile=True is as eager": agree(3, 2), "and with other lengths": agree(1, 3)}


@divergence(
    claim="A function is compiled once, however far its batches are padded.",
    verdict=DIFFERS,
    seen={
        "pytorch": {"batches": 4, "graphs": 2, "told that T varies": 1},
        "tensorflow": {"batches": 4, "graphs": 4, "reduce_retracing=True": 2, "told that T varies": 1},
    },
    why="A new T is a new shape. `torch.compile` notices at the second one and compiles for any T; `tf.function` "
    "traces again each time unless told not to, and warns after some. With `jit_compile=True` XLA compiles for each T "
    "in any case.",
    instead="`input_signature` with None for T, or `reduce_retracing=True`; `torch._dynamo.mark_dynamic(x, 1)`. Or "
    "pad to a few lengths: buckets.",
    sources=(
        "https://tensorflow.org/api_docs/python/tf/function",
        "https://docs.pytorch.org/docs/stable/torch.compiler_dynamic_shapes.html",
    ),
)
class retracing:
    def pytorch():
        import torch

        def graphs(mark):
            torch._dynamo.reset()  # or it remembers the last time
            seen = []

            def backend(graph, _inputs):
                seen.append(graph)
                return graph.forward

            def total(x):
                return (x * 2).sum()

            compiled = torch.compile(total, backend=backend)
            for steps in (3, 4, 5, 6):
                x = torch.ones(2, steps)
                if mark:
                    torch._dynamo.mark_dynamic(x, 1)
                compiled(x)
            return len(seen)

        return {"batches": 4, "graphs": graphs(mark=False), "told that T varies": graphs(mark=True)}

    def tensorflow():
        import tensorflow as tf

        def graphs(**options):
            seen = []

            @tf.function(**options)
            def total(x):
                seen.append(x.shape)  # runs when traced only
                return tf.reduce_sum(x * 2)

            for steps in (3, 4, 5, 6):
                total(tf.ones((2, steps)))
            return len(seen)

        return {
            "batches": 4,
            "graphs": graphs(),
            "reduce_retracing=True": graphs(reduce_retracing=True),
            "told that T varies": graphs(input_signature=[tf.TensorSpec((2, None))]),
        }


@divergence(
    claim="A loop whose batch shrinks as sequences end can be compiled.",
    verdict=DIFFERS,
    seen={
        "pytorch": {"states": [0.0, 0.0, 1.0, 2.0, 4.0]},
        "tensorflow": {
            "states, as a graph": [0.0, 0.0, 1.0, 2.0, 4.0],
            "states, by XLA": "InternalError: … Invalid TensorList shape …",
        },
    },
    why="torch.compile unrolls the loop, once for each set of lengths. XLA compiles the loop itself, and wants one "
    "shape for all that it keeps: the first state has as many rows as the batch, a slice as many as "
    "there are steps at most.",
    instead="Compile a masked loop, and leave the one over real steps alone as a graph.",
    operation="rnn.gru",
    sources=("https://www.tensorflow.org/xla/known_issues", "https://github.com/tensorflow/tensorflow/issues/42878"),
)
class shrinking_batch:
    def pytorch():
        import torch

        @torch.compile(backend="eager", fullgraph=True)
        def run(x):  # real steps only: two rows in the first step, one in the second
            states = [torch.zeros(2)]
            for start, rows in ((0, 2), (2, 1)):
                states.append(states[-1][:rows] + x[start : start + rows])
            return torch.cat(states)

        torch._dynamo.reset()
        return {"states": run(torch.tensor([1.0, 2, 3])).tolist()}

    def tensorflow():
        import tensorflow as tf

        from parity.divergences.entry import raised

        def run(x):  # real steps only: two rows in the first step, one in the second
            def step(t, h, states):
                rows = 2 - t
                h = h[:rows] + x[2 * t : 2 * t + rows]
                return t + 1, h, states.write(t + 1, h)

            states = tf.TensorArray(tf.float32, 3, element_shape=[None], infer_shape=False).write(0, tf.zeros(2))
            shapes = [tf.TensorShape([]), tf.TensorShape([None]), tf.TensorShape(None)]
            start = [tf.constant(0), tf.zeros(2), states]
            return tf.while_loop(lambda t, *_: t < 2, step, start, shapes)[2].concat()

        graph, xla = tf.function(run), tf.function(run, jit_compile=True)
        x = tf.constant([1.0, 2, 3])
        return {
            "states, as a graph": graph(x).numpy().tolist(),
            "states, by XLA": raised(lambda: xla(x), says="Invalid TensorList shape"),
        }


@divergence(
    claim="A compiled function may ask NumPy where to cut a batch.",
    verdict=DIFFERS,
    seen={
        "pytorch": {"lengths": [1, 3]},
        "tensorflow": {"lengths, as a graph": [1, 3], "lengths, by XLA": "InvalidArgumentError: … PyFunc …"},
    },
    why="torch.compile breaks the graph there, or traces NumPy, and goes on. XLA compiles the whole function or none.",
    instead="Plan the batches outside of what is compiled.",
    operation="rnn.gru",
    sources=(
        "https://www.tensorflow.org/api_docs/python/tf/numpy_function",
        "https://www.tensorflow.org/xla/known_issues",
    ),
)
class calling_numpy:
    def pytorch():
        import numpy as np
        import torch

        @torch.compile(backend="eager")
        def run(lengths):
            return torch.from_numpy(np.sort(lengths.numpy()))

        torch._dynamo.reset()
        return {"lengths": run(torch.tensor([3, 1])).tolist()}

    def tensorflow():
        import numpy as np
        import tensorflow as tf

        from parity.divergences.entry import raised

        def run(lengths):
            return tf.numpy_function(np.sort, [lengths], tf.int32)

        graph, xla = tf.function(run), tf.function(run, jit_compile=True)
        return {
            "lengths, as a graph": graph(tf.constant([3, 1])).numpy().tolist(),
            "lengths, by XLA": raised(lambda: xla(tf.constant([3, 1])), says="PyFunc"),
        }
