"""Record where the masks of Keras end on their way from layer to layer, into a file and back."""

from parity.divergences.entry import FALSE, PARTLY, divergence


@divergence(
    claim="A model that is exported and loaded again masks as before.",
    verdict=PARTLY,
    expected={
        "tensorflow": {
            "mean": 1.5,
            "mean, all of it exported": 1.5,
            "mean over an exported embedding": 1.0,
            "mean over an embedding from a .keras file": 1.5,
        }
    },
    why="`export` traces the model as a function of tensors, and a mask is an attribute of a Python object: it is in "
    "the graph where it is used, and no output has it. So the mean over what a `TFSMLayer` returns counts the padding. "
    "A `.keras` file has the layers, which make their masks anew.",
    instead="Export the whole model, with all that uses the mask; or return the mask as an output of its own.",
    operation="pooling.mean",
    sources=(
        "https://keras.io/api/models/model_saving_apis/export/",
        "https://keras.io/guides/understanding_masking_and_padding/",
    ),
)
class exported:
    def tensorflow():
        import tempfile

        import keras
        import numpy as np
        import tensorflow as tf

        table = np.float32([[0], [1], [2]])
        tokens, pool = tf.constant([[1, 2, 0]]), keras.layers.GlobalAveragePooling1D()
        ids = keras.Input((None,), dtype="int32")
        embed = keras.Model(ids, keras.layers.Embedding(3, 1, weights=[table], mask_zero=True)(ids))
        whole = keras.Model(ids, pool(embed(ids)))

        def exported(model, folder):
            model.export(folder, verbose=False)
            return keras.layers.TFSMLayer(folder, call_endpoint="serve")(tokens)

        with tempfile.TemporaryDirectory() as folder:
            from_whole, from_embed = exported(whole, f"{folder}/whole"), exported(embed, f"{folder}/embed")
            embed.save(f"{folder}/embed.keras")
            loaded = keras.models.load_model(f"{folder}/embed.keras")
        return {
            "mean": float(whole(tokens)[0, 0]),
            "mean, all of it exported": float(from_whole[0, 0]),
            "mean over an exported embedding": float(pool(from_embed)[0, 0]),
            "mean over an embedding from a .keras file": float(pool(loaded(tokens))[0, 0]),
        }


@divergence(
    claim="The mask of an encoder's input is still there for the loss of the decoder behind it.",
    verdict=FALSE,
    expected={
        "tensorflow": {
            "return_sequences=True has the mask": True,
            "return_sequences=False has it": False,
            "RepeatVector has it": False,
            "loss over real steps": 1.0,
            "loss behind RepeatVector": 0.667,
        }
    },
    why="With `return_sequences=False` there are no steps that a mask could be about, so it ends there, without a "
    "warning. `RepeatVector` makes steps again, and no mask. The loss of an autoencoder over such a batch counts the "
    "padding, and divides by all steps.",
    instead="Keep the mask in a variable, and pass it to the loss as `sample_weight`.",
    operation="loss.cross_entropy",
    sources=(
        "https://keras.io/guides/understanding_masking_and_padding/",
        "https://keras.io/api/layers/reshaping_layers/repeat_vector/",
    ),
)
class repeat_vector:
    def tensorflow():
        import keras
        import tensorflow as tf

        x = tf.constant([[[1.0], [1.0], [0.0]]])  # the last step is padding
        masked, loss = keras.layers.Masking()(x), keras.losses.MeanSquaredError()
        options = {"kernel_initializer": "zeros", "recurrent_initializer": "zeros"}
        encoded = keras.layers.LSTM(1, **options)(masked)
        repeated = keras.layers.RepeatVector(3)(encoded)  # zeros
        per_step = keras.layers.LSTM(1, return_sequences=True, **options)

        def has_mask(tensor):
            return getattr(tensor, "_keras_mask", None) is not None

        return {
            "return_sequences=True has the mask": has_mask(per_step(masked)),
            "return_sequences=False has it": has_mask(encoded),
            "RepeatVector has it": has_mask(repeated),
            "loss over real steps": float(loss(x, per_step(masked))),
            "loss behind RepeatVector": float(loss(x, per_step(repeated))),
        }


@divergence(
    claim="`Masking` before `ConvLSTM` takes padded frames out.",
    verdict=FALSE,
    expected={
        "tensorflow": {
            "shape of the mask of (B, T, H, W, C)": [1, 3, 2, 2],
            "output of four equal pixels, one of them 0 in the first frame": [0.3696, 0.5707, 0.5707, 0.5707],
        }
    },
    why="`Masking` looks at the last axis, the channels. For images it masks single pixels, not frames, and `ConvLSTM` "
    "keeps the state of each masked pixel: a dark pixel in a real frame is taken out as if it were padding.",
    instead="Give the layer a mask (B, T, 1, 1) of your own: `layer(x, mask=real[:, :, None, None])`.",
    operation="convolutional.lstm",
    sources=(
        "https://keras.io/api/layers/core_layers/masking/",
        "https://keras.io/api/layers/recurrent_layers/conv_lstm2d/",
    ),
)
class conv_lstm:
    def tensorflow():
        import keras
        import numpy as np

        frames = np.ones((1, 3, 2, 2, 1), np.float32)  # (B, T, H, W, C)
        frames[0, 2] = 0  # padding
        frames[0, 0, 0, 0] = 0  # a dark pixel of a real frame
        masked = keras.layers.Masking()(frames)
        layer = keras.layers.ConvLSTM2D(1, 1, kernel_initializer="ones", recurrent_initializer="zeros")
        return {
            "shape of the mask of (B, T, H, W, C)": list(masked._keras_mask.shape),
            "output of four equal pixels, one of them 0 in the first frame": layer(masked).numpy().ravel().tolist(),
        }


@divergence(
    claim="A ragged tensor passes through Keras without padding.",
    verdict=FALSE,
    expected={
        "tensorflow": {
            "Embedding": "ragged",
            "LSTM": "ValueError: … Cannot index into an inner ragged dimension …",
            "LSTM of to_tensor() and a mask": [2, 1],
        }
    },
    why="Keras 3 has no ragged inputs: layers that only look up or add pass a ragged tensor on, because TensorFlow's "
    "functions take one, and those that loop over steps or ask for a shape raise. Keras 2 ran an LSTM on one.",
    instead="Pad it with `ragged.to_tensor()`, and give the mask: `tf.sequence_mask(ragged.row_lengths())`.",
    operation="rnn.lstm",
    sources=("https://keras.io/keras_3/", "https://www.tensorflow.org/guide/ragged_tensor"),
)
class ragged:
    def tensorflow():
        import keras
        import tensorflow as tf

        from parity.divergences.entry import raised

        tokens = tf.ragged.constant([[1, 2], [1]])
        x, lstm = tf.ragged.constant([[[1.0], [2.0]], [[1.0]]], ragged_rank=1), keras.layers.LSTM(1)
        mask = tf.sequence_mask(x.row_lengths())
        embedded = keras.layers.Embedding(3, 1)(tokens)
        return {
            "Embedding": "ragged" if isinstance(embedded, tf.RaggedTensor) else "dense",
            "LSTM": raised(lambda: lstm(x), says="Cannot index into an inner ragged dimension"),
            "LSTM of to_tensor() and a mask": list(lstm(x.to_tensor(), mask=mask).shape),
        }
