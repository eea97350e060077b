"""Record how masks are created, passed on, merged and dropped."""

from parity.divergences.entry import DIFFERS, FALSE, PARTLY, divergence

KERAS_GUIDE = "https://www.tensorflow.org/guide/keras/understanding_masking_and_padding"
PAD_SEQUENCES = "https://www.tensorflow.org/api_docs/python/tf/keras/utils/pad_sequences"
MASKING = "https://keras.io/api/layers/core_layers/masking/"


@divergence(
    claim="A Keras mask accompanies its tensor through every computation.",
    verdict=FALSE,
    expected={
        "tensorflow": {
            "Dense": True,
            "Activation('relu')": True,
            "LSTM, return_sequences": True,
            "x * 1": False,
            "x + x": False,
            "ops.relu(x)": False,
            "Conv1D": False,
            "Reshape": False,
            "masked loss": 2.5,
            "loss of logits * 1": 28.67,
            "x itself, after MultiHeadAttention": False,
        }
    },
    why="Keras attaches it to the tensor as an attribute. Layers that support masking attach it to their output; "
    "`Reshape`, `Flatten`, `Lambda` and a custom layer without `supports_masking` do not, and arithmetic and "
    "`keras.ops` make new tensors without it, silently, and the loss after them counts padding. `MultiHeadAttention` "
    "removes it from its own input. Each truth value states whether the mask is still present.",
    instead="Keep the mask in a variable of your own, and pass it to each layer and to the loss.",
    operation="masking.mask_from_tokens",
    sources=("https://github.com/keras-team/keras/issues/18416", "https://github.com/keras-team/keras/pull/20594"),
)
class lost_silently:
    def tensorflow():
        import keras
        import numpy as np
        import tensorflow as tf

        table = np.float32([[9, 9], [1, 2], [2, 1]])
        embed = keras.layers.Embedding(3, 2, weights=[table], mask_zero=True)
        x = embed(tf.constant([[1, 2, 0]]))
        uses = {
            "Dense": keras.layers.Dense(2),
            "Activation('relu')": keras.layers.Activation("relu"),
            "LSTM, return_sequences": keras.layers.LSTM(2, return_sequences=True),
            "x * 1": lambda x: x * 1,
            "x + x": lambda x: x + x,
            "ops.relu(x)": keras.ops.relu,
            "Conv1D": keras.layers.Conv1D(2, 1),
            "Reshape": keras.layers.Reshape((3, 2)),
        }
        observed = {name: getattr(use(x), "_keras_mask", None) is not None for name, use in uses.items()}
        loss, target = keras.losses.MeanSquaredError(), tf.zeros((1, 3, 2))
        observed |= {"masked loss": float(loss(target, x)), "loss of logits * 1": float(loss(target, x * 1))}
        keras.layers.MultiHeadAttention(1, 2)(x, x)
        return observed | {"x itself, after MultiHeadAttention": getattr(x, "_keras_mask", None) is not None}


@divergence(
    claim="A Keras layer that does not support masking raises an exception when it receives a mask.",
    verdict=FALSE,
    expected={
        "tensorflow": {"Conv1D": "warns", "Flatten": "warns", "custom layer": "warns", "ops.relu(x)": "no warning"}
    },
    why="The documentation of `Masking` states that an exception will be raised. Earlier versions did raise one. "
    "Keras 3 warns and drops the mask, and a function that is not a layer drops it without a warning.",
    instead="Turn that warning into an error: `warnings.filterwarnings('error', message='.*destroy the mask')`.",
    operation="masking.mask_frames",
    sources=(MASKING, "https://github.com/keras-team/keras/issues/19794"),
)
class unsupported_raises:
    def tensorflow():
        import warnings

        import keras
        import tensorflow as tf

        class Twice(keras.layers.Layer):
            def call(self, x):
                return 2 * x

        x = keras.layers.Embedding(3, 2, mask_zero=True)(tf.constant([[1, 2, 0]]))

        def reaction(use):
            with warnings.catch_warnings(record=True) as recorded:
                warnings.simplefilter("always")
                use(x)
            return "warns" if any("destroy the mask" in str(warning.message) for warning in recorded) else "no warning"

        uses = {
            "Conv1D": keras.layers.Conv1D(2, 1),
            "Flatten": keras.layers.Flatten(),
            "custom layer": Twice(),
            "ops.relu(x)": keras.ops.relu,
        }
        return {name: reaction(use) for name, use in uses.items()}


@divergence(
    claim="The sum of two masked sequences is masked where either is.",
    verdict=FALSE,
    expected={
        "tensorflow": {
            "Add of two masks": [True, True, False],
            "Concatenate of two masks": [True, True, False],
            "Add with an unmasked input": "no mask",
            "Concatenate with an unmasked input": [True, True, True],
        }
    },
    why="The masks are [1, 1, 0] and [1, 0, 0]. Keras 3 merges them by OR: a step that is real in either stays, "
    "including the other's padding. An input without a mask, such as positions, cancels the other's: `Add` returns no "
    "mask, and `Concatenate` one that marks all steps as real. Earlier versions merged by AND.",
    instead="Mask both inputs with the same mask, and pass that mask to the next layer.",
    operation="masking.mask_frames",
    sources=("https://github.com/keras-team/keras/pull/19685", "https://github.com/keras-team/keras/pull/2413"),
)
class merged_masks:
    def tensorflow():
        import keras
        import tensorflow as tf

        embed = keras.layers.Embedding(3, 2, mask_zero=True)
        longer, shorter = embed(tf.constant([[1, 2, 0]])), embed(tf.constant([[1, 0, 0]]))
        unmasked = tf.ones((1, 3, 2))

        def mask(merge, *inputs):
            merged = getattr(merge(inputs), "_keras_mask", None)
            return "no mask" if merged is None else merged[0].numpy().tolist()

        return {
            "Add of two masks": mask(keras.layers.Add(), longer, shorter),
            "Concatenate of two masks": mask(keras.layers.Concatenate(), longer, shorter),
            "Add with an unmasked input": mask(keras.layers.Add(), longer, unmasked),
            "Concatenate with an unmasked input": mask(keras.layers.Concatenate(), longer, unmasked),
        }


@divergence(
    claim="`Masking(mask_value=0)` detects the padding.",
    verdict=PARTLY,
    expected={"pytorch": {"mask": [True, False, True, False]}, "tensorflow": {"mask": [True, False, True, False]}},
    why="It masks every frame that is 0 in all features: the fourth, which is padding, and the second, which is "
    "silence. After standardising, padding is no longer 0, and none is detected.",
    instead="Keep the lengths, and make the mask from them.",
    operation="masking.sequence_mask",
    sources=(MASKING, KERAS_GUIDE),
)
class mask_value_zero:
    def pytorch():
        import torch

        x = torch.tensor([[[1.0, 2.0], [0.0, 0.0], [0.0, 3.0], [0.0, 0.0]]])  # the fourth frame is padding
        return {"mask": (x != 0).any(-1)[0].tolist()}

    def tensorflow():
        import keras
        import tensorflow as tf

        x = tf.constant([[[1.0, 2.0], [0.0, 0.0], [0.0, 3.0], [0.0, 0.0]]])  # the fourth frame is padding
        return {"mask": keras.layers.Masking(mask_value=0.0).compute_mask(x)[0].numpy().tolist()}


@divergence(
    claim="The length of a sequence is the number of frames in which any feature is not 0.",
    verdict=PARTLY,
    expected={
        "pytorch": {"frames counted": 2, "last frame that is not 0": 3, "frames whose sum is not 0": 1},
        "tensorflow": {"frames counted": 2, "last frame that is not 0": 3, "frames whose sum is not 0": 1},
    },
    why="The sequence has three frames, and the second is silence. Counting shortens the sequence by one frame, so "
    "the last real one is cut off. The position of the last frame that is not 0 is right, unless the sequence ends "
    "with silence. A mask made by the sum over features is wrong too: it is 0 where the elements are not, but cancel.",
    instead="Keep the lengths; or create the mask by `(x != 0).any(2)`.",
    operation="masking.length_from_features",
    sources=(
        "https://danijar.com/variable-sequence-lengths-in-tensorflow/",
        "https://github.com/sunlabuiuc/PyHealth/pull/140",
    ),
)
class length_from_features:
    def pytorch():
        import torch

        x = torch.tensor([[[1.0, -1.0], [0.0, 0.0], [0.0, 3.0], [0.0, 0.0]]])  # the fourth frame is padding
        used = x.abs().amax(-1).sign()[0]
        return {
            "frames counted": int(used.sum()),
            "last frame that is not 0": int(used.nonzero().max()) + 1,
            "frames whose sum is not 0": int((x.sum(-1) != 0).sum()),
        }

    def tensorflow():
        import tensorflow as tf

        x = tf.constant([[[1.0, -1.0], [0.0, 0.0], [0.0, 3.0], [0.0, 0.0]]])  # the fourth frame is padding
        used = tf.sign(tf.reduce_max(tf.abs(x), 2))[0]
        last = tf.reduce_max(tf.where(used)) + 1
        return {
            "frames counted": int(tf.reduce_sum(used)),
            "last frame that is not 0": int(last),
            "frames whose sum is not 0": int(tf.math.count_nonzero(tf.reduce_sum(x, 2))),
        }


@divergence(
    claim="`Masking(mask_value=nan)` detects padding with NaN, because no real feature is NaN.",
    verdict=FALSE,
    expected={
        "pytorch": {"x != nan": [True, True], "isnan": [True, False]},
        "tensorflow": {"Masking(nan)": [True, True], "isnan": [True, False]},
    },
    why="NaN equals nothing, not even NaN, so every frame differs from it: nothing is masked, and the NaN reaches the "
    "model.",
    instead="Use `isnan`, then replace the NaN by 0 before anything is computed.",
    operation="masking.mask_frames",
    sources=(MASKING,),
)
class nan_as_padding:
    def pytorch():
        import torch

        x = torch.tensor([[[1.0], [float("nan")]]])
        return {"x != nan": (x != float("nan")).any(-1)[0].tolist(), "isnan": (~x.isnan()).any(-1)[0].tolist()}

    def tensorflow():
        import keras
        import tensorflow as tf

        x = tf.constant([[[1.0], [float("nan")]]])
        masked = keras.layers.Masking(mask_value=float("nan")).compute_mask(x)
        return {
            "Masking(nan)": masked[0].numpy().tolist(),
            "isnan": tf.reduce_any(~tf.math.is_nan(x), -1)[0].numpy().tolist(),
        }


@divergence(
    claim="With the end token as padding, masking by token excludes padding only.",
    verdict=FALSE,
    expected={
        "pytorch": {"end tokens that count": 0, "end tokens that count with lengths": 2},
        "tensorflow": {"end tokens that count": 0, "end tokens that count with lengths": 2},
    },
    why="The last real target of each sequence is the end token, and it equals padding: with `pad_token = "
    "eos_token`, its label becomes -100 too. A model trained in this way is never trained to stop, and does not.",
    instead="Use a separate token for padding, or a mask made from lengths.",
    operation="masking.sequence_mask",
    sources=(
        "https://github.com/huggingface/trl/pull/6357",
        "https://github.com/NVIDIA-NeMo/Megatron-Bridge/pull/4660",
    ),
)
class end_as_padding:
    def pytorch():
        import torch

        end = 2
        targets, lengths = torch.tensor([[5, 6, 7, end], [8, end, end, end]]), torch.tensor([4, 2])
        by_token = targets != end
        by_length = torch.arange(4) < lengths[:, None]
        return {
            "end tokens that count": int(((targets == end) & by_token).sum()),
            "end tokens that count with lengths": int(((targets == end) & by_length).sum()),
        }

    def tensorflow():
        import tensorflow as tf

        end = 2
        targets, lengths = tf.constant([[5, 6, 7, end], [8, end, end, end]]), tf.constant([4, 2])
        by_token = targets != end
        by_length = tf.sequence_mask(lengths, 4)
        return {
            "end tokens that count": int(tf.math.count_nonzero((targets == end) & by_token)),
            "end tokens that count with lengths": int(tf.math.count_nonzero((targets == end) & by_length)),
        }


@divergence(
    claim="Sequences are padded, and truncated, at the end.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"padded": [[1, 2, 3], [4, 0, 0]]},
        "tensorflow": {"padded": [[1, 2, 3], [0, 0, 4]], "truncated": [[2, 3], [0, 4]]},
    },
    why="Keras' `pad_sequences` pads and truncates at the start by default. cuDNN and most code that works with "
    "lengths need padding at the end.",
    instead="Use `pad_sequences(..., padding='post', truncating='post')`.",
    operation="direction.left_padded",
    sources=(PAD_SEQUENCES, "https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.rnn.pad_sequence.html"),
)
class side:
    def pytorch():
        import torch
        from torch.nn.utils.rnn import pad_sequence

        return {"padded": pad_sequence([torch.tensor([1, 2, 3]), torch.tensor([4])], batch_first=True).tolist()}

    def tensorflow():
        import keras

        sequences = [[1, 2, 3], [4]]
        return {
            "padded": keras.utils.pad_sequences(sequences).tolist(),
            "truncated": keras.utils.pad_sequences(sequences, maxlen=2).tolist(),
        }


@divergence(
    claim="Padding sequences of features leaves the features unchanged.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"padded": [[0.5, 1.5], [0.75, 0.0]]},
        "tensorflow": {"padded": [[0, 1], [0, 0]], "dtype='float32'": [[0.5, 1.5], [0.75, 0.0]]},
    },
    why="Keras' `pad_sequences` was made for tokens. Its default dtype is int32, so features are truncated to "
    "integers, and those below 1 become 0, like padding.",
    instead="Use `pad_sequences(..., dtype='float32')`.",
    operation="masking.mask_from_features",
    sources=(PAD_SEQUENCES, "https://github.com/keras-team/keras/pull/19378"),
)
class features_become_integers:
    def pytorch():
        import torch
        from torch.nn.utils.rnn import pad_sequence

        return {"padded": pad_sequence([torch.tensor([0.5, 1.5]), torch.tensor([0.75])], batch_first=True).tolist()}

    def tensorflow():
        import keras

        sequences = [[0.5, 1.5], [0.75]]
        return {
            "padded": keras.utils.pad_sequences(sequences, padding="post").tolist(),
            "dtype='float32'": keras.utils.pad_sequences(sequences, padding="post", dtype="float32").tolist(),
        }


@divergence(
    claim="A recurrent Keras layer that is given `initial_state` still ignores the masked steps of its input.",
    verdict=FALSE,
    expected={
        "tensorflow": {
            "SimpleRNN": 4.0,
            "with initial_state": 5.0,
            "with initial_state and mask": 4.0,
            "Bidirectional, with initial_state": [5.0, 5.0],
        }
    },
    why="The last of three steps is masked; the state of 0 is the one that the layer begins "
    "with anyway. With one tensor as its argument, a layer gets that tensor's mask. "
    "With two, Keras looks for an argument `sequences_mask`, which the layer does not have: the mask is lost "
    "silently, and the padding is read. So is every decoder that starts from an encoder's state.",
    instead="Pass the mask: `rnn(x, initial_state=state, mask=embedding.compute_mask(tokens))`.",
    operation="rnn.lstm",
    sources=(
        "https://keras.io/guides/understanding_masking_and_padding/",
        "https://keras.io/api/layers/recurrent_layers/rnn/",
    ),
)
class initial_state:
    def tensorflow():
        import keras
        import tensorflow as tf

        x, state = tf.constant([[[1.0], [1.0], [9.0]]]), tf.zeros((1, 1))  # (B, T, D); the last step is padding
        x = keras.layers.Masking(9.0)(x)
        ones = {"kernel_initializer": "ones", "recurrent_initializer": "ones", "bias_initializer": "ones"}
        rnn = keras.layers.SimpleRNN(1, activation="linear", **ones)
        both = keras.layers.Bidirectional(keras.layers.SimpleRNN(1, activation="linear", **ones))
        mask = tf.constant([[True, True, False]])
        return {
            "SimpleRNN": rnn(x).numpy()[0, 0].item(),
            "with initial_state": rnn(x, initial_state=[state]).numpy()[0, 0].item(),
            "with initial_state and mask": rnn(x, initial_state=[state], mask=mask).numpy()[0, 0].item(),
            "Bidirectional, with initial_state": both(x, initial_state=[state, state])[0].numpy().tolist(),
        }


@divergence(
    claim="`TimeDistributed` applies a layer to each step, however many there are.",
    verdict=PARTLY,
    expected={
        "tensorflow": {
            "eager, B=2 and T=5": 5,
            "graph of open shape, B=2 and T=5": 2,
            "graph of open shape, B=3 and T=2": "InvalidArgumentError: … slice index 2 of dimension 0 out of bounds …",
        }
    },
    why="Each value is the number of steps that come out. Where T is known, Keras loops over the steps. In a graph for "
    "batches of any size, as `predict` makes once sizes vary, it maps over a range of what it takes for T, and that "
    "is B (Keras 3.15): steps from B on are missing if B is less than T, and it raises if B is larger.",
    instead="Leave `TimeDistributed` out around Dense, which takes steps as they are; else fix T, or reshape to B · T.",
    sources=(
        "https://keras.io/api/layers/recurrent_layers/time_distributed/",
        "https://github.com/keras-team/keras/blob/master/keras/src/layers/rnn/time_distributed.py",
    ),
)
class time_distributed:
    def tensorflow():
        import keras
        import tensorflow as tf

        from parity.divergences.entry import raised

        layer = keras.layers.TimeDistributed(keras.layers.Dense(1))
        layer.build((None, None, 3))
        graph = tf.function(lambda x: layer(x), input_signature=[tf.TensorSpec((None, None, 3))])  # B, T, D
        return {
            "eager, B=2 and T=5": layer(tf.ones((2, 5, 3))).shape[1],
            "graph of open shape, B=2 and T=5": graph(tf.ones((2, 5, 3))).shape[1],
            "graph of open shape, B=3 and T=2": raised(  # of several steps too many, any may be named
                lambda: graph(tf.ones((3, 2, 3))), says="slice index 2 of dimension 0 out of bounds"
            ),
        }
