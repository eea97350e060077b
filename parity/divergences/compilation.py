"""Record how compilers differ on batches whose lengths vary."""

from parity.divergences.entry import DIFFERS, divergence


@divergence(
    claim="A recurrent layer over a padded batch compiles as one graph.",
    verdict=DIFFERS,
    expected={
        "pytorch": {
            "packed with fullgraph=True": "Unsupported: … pack_padded_sequence …",
            "padded with fullgraph=True": "Unsupported: … RNN, GRU, or LSTM …",
        },
        "tensorflow": {"masked with jit_compile=True agrees with eager": True, "agrees for other lengths": True},
    },
    why="The size of a packed batch depends on the values of the lengths, but a PyTorch graph knows sizes only. The "
    "graph breaks there, and the surrounding code is compiled in pieces or not at all. PyTorch does not compile even "
    "a padded `nn.LSTM`, unless `torch._dynamo.config.allow_rnn` is set. A masked loop in TensorFlow has one shape, "
    "and XLA compiles it.",
    instead="Compile the code around the layer, and mark the layer itself with `torch.compiler.disable`. Or write the "
    "loop over a padded batch, with `torch.where` at each step.",
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

        return {"masked with jit_compile=True agrees with eager": agree(3, 2), "agrees for other lengths": agree(1, 3)}


@divergence(
    claim="A function is compiled once, whatever length its batches are padded to.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"batches": 4, "graphs": 2, "with T marked as variable": 1},
        "tensorflow": {"batches": 4, "graphs": 4, "reduce_retracing=True": 2, "with T marked as variable": 1},
    },
    why="A new T is a new shape. `torch.compile` detects this at the second T, and compiles for any T. `tf.function` "
    "traces again for each T by default, and warns after some. With `jit_compile=True`, XLA compiles for each T in "
    "any case.",
    instead="Use `input_signature` with None for T, or `reduce_retracing=True`; in PyTorch, "
    "`torch._dynamo.mark_dynamic(x, 1)`. Or pad to a few fixed lengths (buckets).",
    sources=(
        "https://tensorflow.org/api_docs/python/tf/function",
        "https://docs.pytorch.org/docs/stable/torch.compiler_dynamic_shapes.html",
    ),
)
class retracing:
    def pytorch():
        import torch

        def graphs(mark):
            torch._dynamo.reset()  # otherwise graphs of the previous call are reused
            traces = []

            def backend(graph, _inputs):
                traces.append(graph)
                return graph.forward

            def total(x):
                return (x * 2).sum()

            compiled = torch.compile(total, backend=backend)
            for steps in (3, 4, 5, 6):
                x = torch.ones(2, steps)
                if mark:
                    torch._dynamo.mark_dynamic(x, 1)
                compiled(x)
            return len(traces)

        return {"batches": 4, "graphs": graphs(mark=False), "with T marked as variable": graphs(mark=True)}

    def tensorflow():
        import tensorflow as tf

        def graphs(**options):
            traces = []

            @tf.function(**options)
            def total(x):
                traces.append(x.shape)  # runs only while tracing
                return tf.reduce_sum(x * 2)

            for steps in (3, 4, 5, 6):
                total(tf.ones((2, steps)))
            return len(traces)

        return {
            "batches": 4,
            "graphs": graphs(),
            "reduce_retracing=True": graphs(reduce_retracing=True),
            "with T marked as variable": graphs(input_signature=[tf.TensorSpec((2, None))]),
        }


@divergence(
    claim="A loop whose batch shrinks as sequences end can be compiled.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"states": [0.0, 0.0, 1.0, 2.0, 4.0]},
        "tensorflow": {
            "states, as a graph": [0.0, 0.0, 1.0, 2.0, 4.0],
            "states, by XLA": "InternalError: … Invalid TensorList shape …",
        },
    },
    why="`torch.compile` unrolls the loop, once for each set of lengths. XLA compiles the loop itself, and requires "
    "one shape for all the states that it stores. But the first state has as many rows as the batch, and a slice has "
    "at most as many rows as there are steps.",
    instead="Compile a masked loop, and run the loop over real steps as a graph without XLA.",
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
    claim="A compiled function may call NumPy to decide where to cut a batch.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"lengths": [1, 3]},
        "tensorflow": {"lengths, as a graph": [1, 3], "lengths, by XLA": "InvalidArgumentError: … PyFunc …"},
    },
    why="`torch.compile` breaks the graph there, or traces NumPy, and continues. XLA compiles the whole function or "
    "nothing.",
    instead="Plan the batches outside the compiled function.",
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


@divergence(
    claim="A model that packs its batches can be exported (`torch.export`, tracing, ONNX).",
    verdict=DIFFERS,
    expected={
        "pytorch": {
            "torch.export": "TypeError: … FakeTensor …",
            "called with lengths 1, 2": [1.0, 2.0],
            "traced with a tensor of lengths 3, 1": [1.0, 2.0],
            "traced with a list of lengths 3, 1": [3.0, 1.0],
        },
        "tensorflow": {"called with lengths 1, 2": [1.0, 2.0], "exported": [1.0, 2.0]},
    },
    why="The size of a packed batch depends on the values of the lengths. `torch.export` refuses that. Tracing, on "
    "which the older exporter to ONNX is built, takes lengths in a Python list for constants: the traced model cuts "
    "each later batch at the lengths of its example, without an error. A masked layer of Keras has one graph for all "
    "lengths, and is exported with it.",
    instead="Export the loop over a padded batch, with `torch.where` at each step, or a single sequence without "
    "packing. Where it has to be traced, pass lengths as a tensor, and try other lengths on the result.",
    operation="rnn.gru",
    sources=(
        "https://github.com/pytorch/pytorch/pull/186527",
        "https://github.com/pytorch/pytorch/issues/62240",
        "https://github.com/pytorch/pytorch/issues/49936",
        "https://github.com/pytorch/pytorch/issues/48460",
        "https://github.com/Zhongxu-Wang/ArtSpeech/issues/1",
    ),
)
class exported_packing:
    def pytorch():
        import torch
        from torch import nn
        from torch.nn.utils.rnn import pack_padded_sequence

        from parity.divergences.entry import raised

        class Final(nn.Module):
            def __init__(self, as_list):
                super().__init__()
                self.rnn, self.as_list = nn.RNN(1, 1, nonlinearity="relu", batch_first=True), as_list
                for weight in self.parameters():
                    nn.init.zeros_(weight)
                for weight in (self.rnn.weight_ih_l0, self.rnn.weight_hh_l0):
                    nn.init.ones_(weight)

            def forward(self, x, lengths):  # the sum of each sequence
                lengths = lengths.tolist() if self.as_list else lengths
                packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
                return self.rnn(packed)[1].flatten()

        x, lengths, others = torch.ones(2, 3, 1), torch.tensor([3, 1]), torch.tensor([1, 2])

        def exported():
            torch.export.export(Final(as_list=False), (x, lengths))

        def traced(as_list):
            return torch.jit.trace(Final(as_list), (x, lengths))(x, others).tolist()

        return {
            "torch.export": raised(exported, says="FakeTensor"),
            "called with lengths 1, 2": Final(as_list=False)(x, others).tolist(),
            "traced with a tensor of lengths 3, 1": traced(as_list=False),
            "traced with a list of lengths 3, 1": traced(as_list=True),
        }

    def tensorflow():
        import tempfile

        import keras
        import tensorflow as tf

        initial = {"kernel_initializer": "ones", "recurrent_initializer": "ones"}
        rnn = keras.layers.SimpleRNN(1, activation="relu", **initial)
        rnn.build((None, None, 1))
        archive = keras.export.ExportArchive()
        archive.track(rnn)

        def final(x, lengths):  # the sum of each sequence
            return rnn(x, mask=tf.sequence_mask(lengths, tf.shape(x)[1]))[:, 0]

        specs = [tf.TensorSpec((None, None, 1)), tf.TensorSpec((None,), tf.int32)]
        archive.add_endpoint("final", final, specs)
        with tempfile.TemporaryDirectory() as folder:
            archive.write_out(folder, verbose=False)
            loaded = tf.saved_model.load(folder)
            x, others = tf.ones((2, 3, 1)), tf.constant([1, 2])
            exported = loaded.final(x, others).numpy().tolist()
        return {"called with lengths 1, 2": final(x, others).numpy().tolist(), "exported": exported}
