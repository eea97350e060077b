"""Record how optimisers differ on repeated and absent tokens, weight decay and clipping."""

from parity.divergences.entry import DIFFERS, FALSE, PARTLY, divergence

PYTORCH_ADAM = "https://docs.pytorch.org/docs/stable/generated/torch.optim.Adam.html"
KERAS_ADAM = "https://keras.io/api/optimizers/adam/"


@divergence(
    claim="Adam's first step equals the learning rate, whatever the gradient.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"default": 0.9901, "eps=1e-7": 0.9091},
        "tensorflow": {"default": 0.2403, "epsilon=1e-8": 0.7597},
    },
    why="The gradient is 1e-6, the share of one token among many. PyTorch adds 1e-8 to the corrected root of the "
    "second moment. Keras adds 1e-7 to the uncorrected one, which is 32 times smaller at the first step, so that it "
    "has the effect of 3e-6: the paper's 'epsilon hat'.",
    instead="Do not expect equal steps for small gradients early on; `epsilon=1e-8 * sqrt(1 - beta_2 ** t)` would be "
    "the same at step t.",
    sources=(
        PYTORCH_ADAM,
        KERAS_ADAM,
        "https://github.com/keras-team/keras/issues/17391",
        "https://github.com/pytorch/pytorch/issues/104857",
    ),
)
class adam_epsilon:
    def pytorch():
        import torch

        def step(**options):
            weight = torch.zeros(1, requires_grad=True)
            weight.grad = torch.tensor([1e-6])
            torch.optim.Adam([weight], lr=1.0, **options).step()
            return -weight.item()

        return {"default": step(), "eps=1e-7": step(eps=1e-7)}

    def tensorflow():
        import keras
        import tensorflow as tf

        def step(**options):
            weight = keras.Variable([0.0])
            keras.optimizers.Adam(1.0, **options).apply([tf.constant([1e-6])], [weight])
            return -float(weight.numpy()[0])

        return {"default": step(), "epsilon=1e-8": step(epsilon=1e-8)}


@divergence(
    claim="An optimiser receives one gradient for each row of the table, the sum over all occurrences of its token.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"dense": 1.0, "sparse": 1.0},
        "tensorflow": {"SGD": 4.0, "SGD, dense": 4.0, "Adam": 1.265, "Adam, dense": 1.0},
    },
    why="One token occurs twice in a batch, with gradients 1 and 3: their sum is 4, and its square 16. Keras 3 "
    "squares the slices of `IndexedSlices` one by one and adds up 1 + 9, in `fit` too. Every optimiser with a second "
    "moment therefore steps too far on repeated tokens, padding most of all. PyTorch adds up first.",
    instead="Apply `tf.convert_to_tensor` to the gradient of each embedding before `apply`.",
    operation="embedding.lookup",
    sources=(
        "https://github.com/keras-team/keras/issues/19992",
        "https://github.com/tensorflow/tensorflow/issues/28090",
    ),
)
class repeated_tokens:
    def pytorch():
        import torch
        from torch import nn

        def step(optimizer, sparse):
            embed = nn.Embedding.from_pretrained(torch.zeros(3, 1), freeze=False, sparse=sparse)
            y = embed(torch.tensor([1, 1, 2])).flatten()
            (y @ torch.tensor([1.0, 3.0, 1.0])).backward()
            optimizer(embed.parameters(), lr=1.0).step()
            return -embed.weight[1].item()

        return {"dense": step(torch.optim.Adam, sparse=False), "sparse": step(torch.optim.SparseAdam, sparse=True)}

    def tensorflow():
        import keras
        import tensorflow as tf

        def step(optimizer, dense=False):
            table = keras.Variable(tf.zeros((3, 1)))
            with tf.GradientTape() as tape:
                y = tf.gather(table.value, [1, 1, 2])[:, 0]
                loss = tf.reduce_sum(y * tf.constant([1.0, 3.0, 1.0]))
            gradient = tape.gradient(loss, table.value)
            optimizer.apply([tf.convert_to_tensor(gradient) if dense else gradient], [table])
            return -float(table.numpy()[1, 0])

        return {
            "SGD": step(keras.optimizers.SGD(1.0)),
            "SGD, dense": step(keras.optimizers.SGD(1.0), dense=True),
            "Adam": step(keras.optimizers.Adam(1.0)),
            "Adam, dense": step(keras.optimizers.Adam(1.0), dense=True),
        }


@divergence(
    claim="A token that is not in the batch keeps its embedding.",
    verdict=PARTLY,
    expected={"pytorch": {"SGD": 0.0, "Adam": 0.6701, "SparseAdam": 0.0}, "tensorflow": {"SGD": 0.0, "Adam": 0.67}},
    why="It does with SGD and `SparseAdam`. Each value is how far a token moves in a batch that lacks it, after one "
    "that contained it. Its gradient is 0, but Adam's first moment is not yet 0. `SparseAdam` leaves absent rows "
    "unchanged; Keras' Adam treats them like any other, with `IndexedSlices` too.",
    instead="Use `Embedding(sparse=True)` with `SparseAdam`, or an optimiser without momentum for the table.",
    operation="embedding.lookup",
    sources=("https://github.com/pytorch/pytorch/issues/18404", "https://github.com/keras-team/keras/issues/19992"),
)
class absent_tokens:
    def pytorch():
        import torch
        from torch import nn

        def drift(optimizer, sparse=False):
            embed = nn.Embedding.from_pretrained(torch.zeros(3, 1), freeze=False, sparse=sparse)
            optimizer = optimizer(embed.parameters(), lr=1.0)
            rows = []
            for tokens in ([1, 2], [2]):
                optimizer.zero_grad(set_to_none=False)
                embed(torch.tensor(tokens)).sum().backward()
                optimizer.step()
                rows.append(embed.weight[1].item())
            return rows[0] - rows[1]

        return {
            "SGD": drift(torch.optim.SGD),
            "Adam": drift(torch.optim.Adam),
            "SparseAdam": drift(torch.optim.SparseAdam, sparse=True),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        def drift(optimizer):
            table, rows = keras.Variable(tf.zeros((3, 1))), []
            for tokens in ([1, 2], [2]):
                with tf.GradientTape() as tape:
                    loss = tf.reduce_sum(tf.gather(table.value, tokens))
                optimizer.apply([tape.gradient(loss, table.value)], [table])
                rows.append(float(table.numpy()[1, 0]))
            return rows[0] - rows[1]

        return {"SGD": drift(keras.optimizers.SGD(1.0)), "Adam": drift(keras.optimizers.Adam(1.0))}


@divergence(
    claim="`weight_decay` means the same in Adam and in AdamW.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"Adam": 0.9, "AdamW": 0.85, "AdamW by default": 0.899},
        "tensorflow": {"Adam": 0.85, "AdamW": 0.85, "AdamW by default": 0.8996},
    },
    why="Each value is a weight of 1 after a step with gradient 1, learning rate 0.1 and decay 0.5. In PyTorch's Adam "
    "the decay is an L2 penalty, added to the gradient and normalised away; AdamW subtracts it from the weight. In "
    "Keras every optimiser subtracts it from the weight. The default of AdamW is 0.01 in PyTorch and 0.004 in Keras.",
    instead="Use AdamW in both, with an explicit decay; Keras' Adam with a decay is PyTorch's AdamW.",
    sources=(
        "https://github.com/pytorch/pytorch/issues/38767",
        "https://github.com/keras-team/keras/issues/19051",
        "https://docs.pytorch.org/docs/stable/generated/torch.optim.AdamW.html",
        "https://keras.io/api/optimizers/adamw/",
    ),
)
class adam_weight_decay:
    def pytorch():
        import torch

        def after(optimizer, **options):
            weight = torch.ones(1, requires_grad=True)
            weight.grad = torch.ones(1)
            optimizer([weight], lr=0.1, **options).step()
            return weight.item()

        return {
            "Adam": after(torch.optim.Adam, weight_decay=0.5),
            "AdamW": after(torch.optim.AdamW, weight_decay=0.5),
            "AdamW by default": after(torch.optim.AdamW),
        }

    def tensorflow():
        import keras
        import tensorflow as tf

        def after(optimizer, **options):
            weight = keras.Variable([1.0])
            optimizer(0.1, **options).apply([tf.ones(1)], [weight])
            return float(weight.numpy()[0])

        return {
            "Adam": after(keras.optimizers.Adam, weight_decay=0.5),
            "AdamW": after(keras.optimizers.AdamW, weight_decay=0.5),
            "AdamW by default": after(keras.optimizers.AdamW),
        }


@divergence(
    claim="Clipping the gradient's norm keeps its direction.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"clip_grad_norm_": [0.6, 0.8]},
        "tensorflow": {"clipnorm": [1.0, 1.0], "global_clipnorm": [0.6, 0.8]},
    },
    why="Two weights with gradients 3 and 4 are clipped to norm 1. PyTorch takes the norm over all of them. Keras' "
    "`clipnorm` clips each variable by itself, so a table with many rows and a bias get equal norms.",
    instead="Use `global_clipnorm` in Keras.",
    sources=(
        "https://github.com/keras-team/keras/issues/13575",
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_norm_.html",
    ),
)
class clipnorm:
    def pytorch():
        import torch

        weights = [torch.zeros(1, requires_grad=True) for _ in range(2)]
        weights[0].grad, weights[1].grad = torch.tensor([3.0]), torch.tensor([4.0])
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        return {"clip_grad_norm_": [weight.grad.item() for weight in weights]}

    def tensorflow():
        import keras
        import tensorflow as tf

        def clipped(**options):
            weights = [keras.Variable([0.0]) for _ in range(2)]
            optimizer = keras.optimizers.SGD(learning_rate=1.0, **options)
            optimizer.apply([tf.constant([3.0]), tf.constant([4.0])], weights)
            return [-float(weight.numpy()[0]) for weight in weights]

        return {"clipnorm": clipped(clipnorm=1.0), "global_clipnorm": clipped(global_clipnorm=1.0)}


@divergence(
    claim="After clipping to norm 1, the norm of an embedding's gradient is at most 1.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"dense": 1.0, "sparse": "NotImplementedError: … SparseCPU …"},
        "tensorflow": {"clip_by_global_norm": 2.0, "after convert_to_tensor": 1.0},
    },
    why="A token occurs four times, each with gradient 1. TensorFlow takes the norm of the four slices, 2, where that "
    "of their sum is 4. Keras' `clipnorm` and `global_clipnorm` do the same. PyTorch clips dense gradients correctly, "
    "and cannot clip sparse ones.",
    instead="Apply `tf.convert_to_tensor` to the gradient of each embedding before clipping.",
    operation="embedding.lookup",
    sources=(
        "https://www.tensorflow.org/api_docs/python/tf/clip_by_global_norm",
        "https://github.com/keras-team/keras/issues/18985",
        "https://github.com/pytorch/tutorials/issues/2245",
    ),
)
class clipping_repeated_tokens:
    def pytorch():
        import torch
        from torch import nn

        from parity.divergences.entry import raised

        def clipped(sparse):
            embed = nn.Embedding.from_pretrained(torch.zeros(3, 1), freeze=False, sparse=sparse)
            embed(torch.tensor([1, 1, 1, 1])).sum().backward()
            nn.utils.clip_grad_norm_(embed.parameters(), 1.0)
            return embed.weight.grad.norm().item()

        return {"dense": clipped(sparse=False), "sparse": raised(lambda: clipped(sparse=True), says="SparseCPU")}

    def tensorflow():
        import tensorflow as tf

        table = tf.Variable(tf.zeros((3, 1)))
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.gather(table, [1, 1, 1, 1]))
        gradient = tape.gradient(loss, table)
        (slices,), _ = tf.clip_by_global_norm([gradient], 1.0)
        (dense,), _ = tf.clip_by_global_norm([tf.convert_to_tensor(gradient)], 1.0)
        return {
            "clip_by_global_norm": float(tf.norm(tf.convert_to_tensor(slices))),
            "after convert_to_tensor": float(tf.norm(dense)),
        }


@divergence(
    claim="Clipping makes an infinite gradient finite.",
    verdict=FALSE,
    expected={"pytorch": {"clipped": [float("nan"), 0.0]}, "tensorflow": {"clipped": [float("nan"), float("nan")]}},
    why="Two weights have gradients inf and 2, so the norm is infinite. PyTorch multiplies by 1 / inf: the infinite "
    "gradient becomes NaN and all others 0. TensorFlow makes everything NaN, to signal the error. Neither result is "
    "usable.",
    instead="Use `error_if_nonfinite=True` in PyTorch, or skip the update; find the padding that caused the infinity.",
    sources=(
        "https://github.com/tensorflow/tensorflow/issues/21363",
        "https://github.com/tensorflow/tensorflow/pull/27733",
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_norm_.html",
    ),
)
class clipping_infinity:
    def pytorch():
        import torch

        weights = [torch.zeros(1, requires_grad=True) for _ in range(2)]
        weights[0].grad, weights[1].grad = torch.tensor([float("inf")]), torch.tensor([2.0])
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        return {"clipped": [weight.grad.item() for weight in weights]}

    def tensorflow():
        import tensorflow as tf

        clipped, _ = tf.clip_by_global_norm([tf.constant([float("inf")]), tf.constant([2.0])], 1.0)
        return {"clipped": [float(gradient[0]) for gradient in clipped]}


@divergence(
    claim="A recurrent layer with equal weights learns as fast in both.",
    verdict=DIFFERS,
    expected={"pytorch": {"SGD": 0.2, "Adam": 0.2}, "tensorflow": {"SGD": 0.1, "Adam": 0.1}},
    why="Each value is how far the bias of a cell moves in a step with gradient 1 and learning rate 0.1. PyTorch has "
    "two biases of each gate, `bias_ih` and `bias_hh`. Only their sum counts; both have its gradient, and both move: "
    "the sum moves twice as far, whatever the optimiser. Keras has one, except for a GRU with `reset_after`.",
    instead="Halve the learning rate of both biases in PyTorch, or set one of them to 0 and `requires_grad_(False)`.",
    operation="rnn.lstm",
    sources=(
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html",
        "https://github.com/pytorch/pytorch/issues/36905",
        "https://github.com/onnx/onnx/issues/1127",
    ),
)
class two_biases:
    def pytorch():
        import torch
        from torch import nn

        def moved(optimizer):
            rnn = nn.RNN(1, 1, nonlinearity="relu")
            for parameter in rnn.parameters():
                nn.init.ones_(parameter)
            rnn(torch.ones(1, 1, 1))[0].sum().backward()
            optimizer(rnn.parameters(), lr=0.1).step()
            return 2 - (rnn.bias_ih_l0 + rnn.bias_hh_l0).item()

        return {"SGD": moved(torch.optim.SGD), "Adam": moved(torch.optim.Adam)}

    def tensorflow():
        import keras
        import tensorflow as tf

        def moved(optimizer):
            ones = {"kernel_initializer": "ones", "recurrent_initializer": "ones", "bias_initializer": "ones"}
            rnn = keras.layers.SimpleRNN(1, activation="relu", **ones)
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(rnn(tf.ones((1, 1, 1))))
            variables = rnn.trainable_variables
            optimizer.apply(tape.gradient(loss, [v.value for v in variables]), variables)
            return 1 - float(rnn.cell.bias.numpy()[0])

        return {"SGD": moved(keras.optimizers.SGD(0.1)), "Adam": moved(keras.optimizers.Adam(0.1))}


@divergence(
    claim="With equal settings, RMSprop, Adagrad and Adamax take equal steps.",
    verdict=DIFFERS,
    expected={
        "pytorch": {"RMSprop": 0.7597, "Adagrad": 0.5, "Adamax": 0.5},
        "tensorflow": {"RMSprop": 0.01, "Adagrad": 0.01, "Adamax": 0.5},
    },
    why="Each value is the first step for a gradient and an epsilon of 1e-4, with learning rate 1. PyTorch adds "
    "epsilon to the root of the squares, Keras to the squares themselves, where 1e-4 is as much as 0.01 outside of the "
    "root. In Adamax, PyTorch adds it to the gradient inside of the maximum, and Keras to the maximum: the first step "
    "is the same, and later ones are not. The defaults differ as well: RMSprop's `alpha` is 0.99 and `rho` 0.9, "
    "Adagrad starts from 0 in PyTorch and from 0.1 in Keras, and Nadam's `momentum_decay` is 0.004 and 1.",
    instead="Make epsilon so small that it does not matter, or write the step yourself; no constant makes both equal.",
    sources=(
        "https://docs.pytorch.org/docs/stable/generated/torch.optim.RMSprop.html",
        "https://keras.io/api/optimizers/rmsprop/",
        "https://github.com/pytorch/pytorch/issues/23796",
        "https://github.com/tensorflow/tensorflow/issues/58412",
    ),
)
class epsilon_placement:
    def pytorch():
        import torch

        def step(optimizer, **options):
            weight = torch.zeros(1, requires_grad=True)
            weight.grad = torch.tensor([1e-4])
            optimizer([weight], lr=1.0, eps=1e-4, **options).step()
            return -weight.item()

        optim = torch.optim
        return {"RMSprop": step(optim.RMSprop, alpha=0.9), "Adagrad": step(optim.Adagrad), "Adamax": step(optim.Adamax)}

    def tensorflow():
        import keras
        import tensorflow as tf

        def step(optimizer, **options):
            weight = keras.Variable([0.0])
            optimizer(1.0, epsilon=1e-4, **options).apply([tf.constant([1e-4])], [weight])
            return -float(weight.numpy()[0])

        optimizers = keras.optimizers
        return {
            "RMSprop": step(optimizers.RMSprop, rho=0.9),
            "Adagrad": step(optimizers.Adagrad, initial_accumulator_value=0.0),
            "Adamax": step(optimizers.Adamax),
        }
