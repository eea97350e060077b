"""Run a module or a function of a user's in PyTorch on batches, in any dtype, and observe it."""

import contextlib
import dataclasses
import random
import sys
from functools import cache, partial

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from parity.errors import InputError
from parity.models.isolation import contents, isolated
from parity.models.native import NativeBatch, NotCompiled, OutputError, flatten
from parity.models.pytorch_autocast import without_autocast
from parity.models.pytorch_copying import copied
from parity.models.side import COMPILED, Layer, Ran
from parity.pytorch.runtime import quiet, settings

SELECTING = {"amax", "amin", "aminmax", "max", "min", "linalg_vector_norm", "scatter_reduce", "index_reduce"}
GLOBAL = [
    value
    for name, value in vars(torch.nn.modules.module).items()
    if name.startswith("_global") and isinstance(value, dict)
]
NARROW = {torch.bfloat16: "bfloat16", torch.float16: "float16"}  # the one that rounds most first
LAST = 6  # operations that may come after a loss of single sequences: a division, a mean, weights
POOL = 2**17  # random signs, from which each tensor gets a part


class PyTorchSide:
    """A side in PyTorch: a module, or a function of tensors.

    Args:
        model: never changed; copies of a module run, one for each dtype.
        call: takes the model and a batch.
        outputs: selects tensors from what the model returns.
        loss: takes what the model returns, and a batch; returns one number.
        training: whether layers are in the mode of training.
        graphs: taken as Keras' side takes it; modules run eagerly.
    """

    framework = "pytorch"
    factory = None  # makes another module, if a function without arguments was given
    response = None
    narrow = ""  # as long as no run with noise has met a narrow dtype
    mixed = False  # whether it may enter autocast
    leaves_out = False  # whether it would have
    is_of_sequences = False  # as long as no run has met such a loss
    computed = None  # takes a module and an exit stack, and returns tensors by name whose gradients are kept, too
    modes = ("eager", "without gradients")
    device = "cpu"  # on which copies of the model run

    def __init__(self, model, call, outputs=None, loss=None, training=False, graphs=True):  # noqa: ARG002
        if "_orig_mod" in getattr(model, "_modules", {}):  # a compiled module: what it was compiled from is judged
            model = model._orig_mod
        self.model, self.call, self.outputs, self.loss, self.training = model, call, outputs, loss, training
        self.name = getattr(model, "__name__", type(model).__name__)
        self.copies, self.saved = {}, {}
        self.read, self.whole_masks = set(), False

    @property
    def has_loss(self):
        return self.loss is not None

    def take_as_loss(self, output):
        """Let an output be the loss."""
        self.loss = lambda raw, _: flattened(self.outputs(raw) if self.outputs else raw)[output]

    def copied(self, dtype):
        """Return a copy of a module in a dtype, on the device, in the right mode."""
        if not isinstance(self.model, torch.nn.Module):
            return self.model
        if dtype not in self.copies:
            other = copied(self.model, self.factory)
            self.copies[dtype] = other.to(self.device, getattr(torch, dtype)).train(self.training)
            if self.device == "cuda" and not self.training:
                differentiable_by_cudnn(self.copies[dtype])
        return self.copies[dtype]

    def run(self, batch, cotangent, **options):
        """Run the model on a batch, without autocast if that works; see `parity.models.side.Side`."""
        try:
            return self.run_once(batch, cotangent, **options)
        except Exception:
            if self.mixed or not self.leaves_out:
                raise
            self.mixed, self.leaves_out = True, False
            try:
                return self.run_once(batch, cotangent, **options)
            except Exception:
                self.mixed, self.leaves_out = False, True
                raise

    def note_autocast(self, tried):
        self.leaves_out = bool(tried)

    def run_once(self, batch, cotangent, *, dtype, noise=None, traced=False, mode="", seed=0):
        """Run the model on a batch, with autocast if that is left in."""
        with_gradients = cotangent is not None and mode != "without gradients"
        with isolated(), settings(), by_default(dtype), seeded(seed), contextlib.ExitStack() as stack:
            perturb, layers = perturber(noise), []
            if not self.mixed:
                tried = stack.enter_context(without_autocast())
                stack.callback(self.note_autocast, tried)
            if isinstance(self.model, torch.jit.ScriptModule):  # its optimiser computes tanh in less than float64
                stack.enter_context(torch.jit.optimized_execution(False))
            model, parameters = self.prepared(dtype, perturb, stack, noise is not None)
            if traced and model is not self.model:
                observe(model, layers, stack)
            computed = self.computed(model, stack) if self.computed and with_gradients and mode != COMPILED else {}
            if noise is not None and noise.inside:
                stack.enter_context(PerturbedOperations(perturb))
            if mode == COMPILED:
                model = stack.enter_context(compiled(model))
            elif "torch._dynamo" in sys.modules:  # a part of the model may be compiled: each kind of run would be again
                stack.enter_context(torch.compiler.set_stance("force_eager"))
            tensors = {n: to_tensor(array, dtype, self.whole_masks).to(self.device) for n, array in batch.items()}
            before = {name: tensor.clone() for name, tensor in tensors.items()}
            floats = {name: t for name, t in tensors.items() if t.is_floating_point() and name != "bias"}
            for tensor in floats.values():
                tensor.requires_grad_(with_gradients)
            native = NativeBatch({name: perturb(tensor).clone() for name, tensor in tensors.items()}, self.read)
            with torch.set_grad_enabled(with_gradients):
                outputs, total = self.forward(model, native, cotangent if with_gradients else None)
            own, theirs, layers = {}, {}, used(layers, total)
            if with_gradients:
                names, others = [*parameters, *floats], [t for each in computed.values() for t in each]
                found = differentiated(total, [*parameters.values(), *floats.values(), *others])
                own = dict(zip(parameters, found, strict=False))
                theirs = dict(zip(floats, found[len(own) : len(names)], strict=True))
                own |= summed(computed, found[len(names) :])
            if noise is not None:
                met = [name for dtype, name in NARROW.items() if dtype in perturb.dtypes or name == self.narrow]
                self.narrow = met[0] if met else ""
            modified = () if noise else native.changed(lambda name, tensor: not same(tensor, before[name]))
            loss = float(total.detach()) if self.loss is not None else None
            return Ran(plain(outputs), plain(own), plain(theirs), loss, tuple(layers), modified)

    def prepared(self, dtype, perturb, stack, noisy):
        """Return the copy in a dtype with perturbed parameters, and these by name; they are restored with the stack."""
        model = self.copied(dtype)
        if not isinstance(model, torch.nn.Module):
            return model, {}
        self.save(model, dtype)
        stack.callback(self.restore, model, dtype)
        with torch.no_grad():
            for parameter in model.parameters() if noisy else ():
                parameter.copy_(perturb(parameter))
        return model, {name: p for name, p in model.named_parameters() if p.requires_grad}

    def forward(self, model, native, cotangent):
        """Return outputs by name, and the number that is differentiated: the loss, or outputs times cotangents."""
        raw = self.call(model, native)
        outputs = flattened(self.outputs(raw) if self.outputs else raw)
        if not outputs:
            raise OutputError(raw)
        if self.loss is not None:
            loss = one_number(self.loss(raw, native))
            self.is_of_sequences |= is_ctc(loss.grad_fn)
            return outputs, loss
        return outputs, None if cotangent is None else weighted(outputs, cotangent)

    def save(self, module, dtype):
        """Keep what the model itself has no numbers of: buffers, and parameters that a lazy layer has made."""
        if dtype not in self.saved:
            own = {id(t) for t in module.parameters()}
            known = state(self.model)
            self.saved[dtype] = {
                name: tensor.clone()
                for name, tensor in state(module).items()
                if id(tensor) not in own or name not in known or known[name].shape != tensor.shape
            }

    def restore(self, module, dtype):
        """Put parameters and buffers back: noise and BatchNorm change them, or the model itself does."""
        saved, own = self.saved[dtype], state(self.model)
        with torch.no_grad():
            for name, tensor in state(module).items():
                source = saved.get(name, own.get(name))
                if source is not None and source.shape == tensor.shape:
                    tensor.copy_(source)
                else:  # a lazy layer has made it, or a cache that grows
                    saved[name] = tensor.clone()

    def weights(self):
        """Return the names and values of parameters and buffers, those that a module saves."""
        if not isinstance(self.model, torch.nn.Module):
            return []
        tensors = {name: t for name, t in self.model.state_dict().items() if isinstance(t, torch.Tensor)}
        if lazy := [name for name, t in tensors.items() if isinstance(t, torch.nn.parameter.UninitializedTensorMixin)]:
            raise InputError("model", f"{lazy[0]!r}, which a lazy layer has not made yet", "a module that has run once")
        return list(plain(tensors).items())

    def load(self, weights):
        """Let the model run with other weights, in the order of `weights`; the user's own module keeps its own."""
        self.model = copied(self.model, self.factory)
        tensors = [tensor for tensor in self.model.state_dict().values() if isinstance(tensor, torch.Tensor)]
        with torch.no_grad():
            for tensor, array in zip(tensors, weights, strict=True):
                tensor.copy_(torch.from_numpy(array.copy()))
        self.renew()

    def renew(self):
        """Make copies of the model anew from now on, as it was changed."""
        self.copies.clear()
        self.saved.clear()

    def dropouts(self):
        """Return the paths of layers that are random in the mode of training."""
        return [path for path, layer in self.layers() if is_random(layer)]

    def batch_norms(self):
        """Return the paths of layers that couple the rows of a batch in the mode of training."""
        return [path for path, layer in self.layers() if "BatchNorm" in type(layer).__name__]

    def layers(self):
        return self.model.named_modules() if isinstance(self.model, torch.nn.Module) else ()


def differentiable_by_cudnn(model):
    """Let cuDNN differentiate recurrent layers, which it does in the mode of training only; they drop nothing out."""
    for layer in model.modules():
        if isinstance(layer, torch.nn.RNNBase):
            layer.training, layer.dropout = True, 0.0


@contextlib.contextmanager
def compiled(model):
    """Return what torch.compile makes of a module or a function, until the end of a run.

    Raises:
        NotCompiled: it made no graph, and everything ran as before.
    """
    torch._dynamo.reset()
    graphs = torch._dynamo.utils.counters["stats"]
    before = graphs["unique_graphs"]
    try:
        with quiet():
            yield torch.compile(model)
        if graphs["unique_graphs"] == before:
            raise NotCompiled("torch.compile makes no graph of it")
    finally:
        torch._dynamo.reset()  # which frees the copy of the model


def is_random(layer):
    """Tell whether a layer drops some of its numbers in training."""
    rate = layer.p if isinstance(layer, torch.nn.modules.dropout._DropoutNd) else getattr(layer, "dropout", 0)
    return isinstance(rate, float) and rate > 0


def state(module):
    """Return parameters and buffers by name, each once; uninitialised ones of lazy layers are left out."""
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    return {name: t for name, t in tensors.items() if not isinstance(t, torch.nn.parameter.UninitializedTensorMixin)}


@contextlib.contextmanager
def seeded(seed):
    """Give a run random numbers of its own, and leave the caller's generators as they were.

    `torch.manual_seed` formats a stack for each kind of device that has not been used, a tenth of the time of a check.
    """
    before = torch.default_generator.get_state()
    of_gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    torch.default_generator.manual_seed(seed)
    if of_gpus:
        torch.cuda.manual_seed_all(seed)
    try:
        yield
    finally:
        torch.default_generator.set_state(before)
        if of_gpus:
            torch.cuda.set_rng_state_all(of_gpus)


@contextlib.contextmanager
def by_default(dtype):
    """Let the tensors that a model creates have the dtype of its copy; one thread computes, as batches are small.

    Hooks on all modules, which a model may leave behind, are removed.
    """
    before, threads = torch.get_default_dtype(), torch.get_num_threads()
    saved = [(write, read()) for read, write in map(contents, GLOBAL)]
    torch.set_default_dtype(getattr(torch, dtype))
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
        torch.set_num_threads(threads)
        for write, value in saved:
            write(value)


def to_tensor(array, dtype, whole_masks):
    tensor = torch.from_numpy(array.copy())
    if tensor.is_floating_point():
        return tensor.to(getattr(torch, dtype))
    return tensor.long() if whole_masks and tensor.dtype == torch.bool else tensor


def perturber(noise):
    """Return a function that multiplies numbers by ``1 ± step``, but whole ones; nothing changes without noise.

    Whole numbers are exact, in any dtype: masks, what stands in them, and counts. Its ``dtypes`` are those that it met.
    """
    if noise is None:
        return lambda tensor: tensor
    met = set()
    generator = torch.Generator().manual_seed(noise.seed)
    steps = noise.step * (2 * torch.randint(0, 2, (POOL,), generator=generator).double() - 1)
    begins, pools = random.Random(noise.seed), {}

    def perturb(tensor):
        if tensor.is_nested and tensor.layout == torch.jagged:
            tensor._values.copy_(perturb(tensor._values))
            return tensor
        if not tensor.is_floating_point() or tensor.layout != torch.strided or tensor.is_meta or not tensor.numel():
            return tensor
        begin, count = int(begins.random() * POOL / 2), tensor.numel()
        if count > POOL and tensor.is_contiguous() and not tensor.requires_grad:
            parts = tensor.view(-1).split(POOL // 2)  # a part at a time: weights and gradients of a model may be large
            return torch.cat([perturb(part) for part in parts]).view(tensor.shape)
        met.add(tensor.dtype)
        kind = tensor.dtype, tensor.device
        own = pools[kind] if kind in pools else pools.setdefault(kind, steps.to(tensor))
        own = own[begin : begin + count]
        if len(own) < count:
            own = own.repeat(-(-count // len(own)))[:count]
        moved = tensor * own.view(tensor.shape)
        return moved.masked_fill_(tensor == tensor.round(), 0).add_(tensor)

    perturb.dtypes = met
    return perturb


class PerturbedOperations(TorchDispatchMode):
    """Perturb the result of every operation, of the backward pass too: Monte Carlo arithmetic."""

    def __init__(self, perturb):
        super().__init__()
        self.perturb = perturb

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if is_fused(function):  # what it computes on the way is seen by nobody
            args = tree_map_only(torch.Tensor, self.perturb, args)
        result = function(*args, **(kwargs or {}))
        if is_exact(function):
            return result
        if isinstance(result, torch.Tensor):
            return self.perturb(result)
        return tree_map_only(torch.Tensor, self.perturb, result)

    @classmethod
    def _should_skip_dynamo(cls):
        return False  # else the compiler is loaded, which takes seconds


@cache
def is_fused(function):
    """Tell whether an operation is attention in one kernel, forward or backward."""
    return "scaled_dot_product" in str(function)


@cache
def is_exact(function):
    """Tell whether an operation rounds nothing: it returns a view, an argument that it wrote to, or one of its numbers.

    The backward pass of a maximum looks for the number that was selected.
    """
    schema = function._schema
    return schema.name.removeprefix("aten::") in SELECTING or any(one.alias_info for one in schema.returns)


def observe(module, layers, stack):
    """Keep what layers receive and return, until the stack is closed."""
    for path, layer in module.named_modules():
        if path:
            stack.callback(layer.register_forward_hook(partial(hooked, layers, path), with_kwargs=True).remove)


def hooked(layers, path, layer, args, kwargs, output):
    inputs = arrays(flattened([*args, *kwargs.values()], "input"))
    layers.append((Layer(path, type(layer).__name__, inputs, arrays(flattened(output))), tensors_of(output)))


def flattened(output, name=""):
    return flatten(output, as_tensor, name)


def as_tensor(value):
    """Return a tensor, padded if it is packed or nested, of two floats for a complex number; None for anything else."""
    if isinstance(value, torch.nn.utils.rnn.PackedSequence):
        return torch.nn.utils.rnn.pad_packed_sequence(value, batch_first=True)[0]
    if isinstance(value, torch.Tensor):
        value = value.to_padded_tensor(0.0) if value.is_nested else value
        return torch.view_as_real(value.resolve_conj()) if value.is_complex() else value
    return None


def only_floats(tensors):
    return {name: tensor for name, tensor in tensors.items() if tensor.is_floating_point()}


def tensors_of(output):
    """Return the float tensors of an output by name, packed ones as they are."""
    if isinstance(output, torch.nn.utils.rnn.PackedSequence):
        return {"output": output.data}
    if isinstance(output, tuple) and output and isinstance(output[0], torch.nn.utils.rnn.PackedSequence):
        rest = flattened(list(output[1:]), "output")
        return {"output.0": output[0].data} | {f"output.{int(n.split('.')[1]) + 1}{n[8:]}": t for n, t in rest.items()}
    return only_floats(flattened(output))


def used(layers, total):
    """Return traced layers with those outputs on which the result depends."""
    smooth = [tensor for _, tensors in layers for tensor in tensors.values() if tensor.requires_grad]
    if total is None or not total.requires_grad or not smooth:
        return [layer for layer, _ in layers]
    gradients = torch.autograd.grad(total, smooth, allow_unused=True, retain_graph=True)
    unused = {id(tensor) for tensor, gradient in zip(smooth, gradients, strict=True) if gradient is None}
    return [
        dataclasses.replace(layer, outputs={n: a for n, a in layer.outputs.items() if id(tensors.get(n)) not in unused})
        for layer, tensors in layers
    ]


def arrays(tensors):
    """Return the floats among tensors as arrays that a later change in place does not reach."""
    return {name: array.copy() for name, array in plain(only_floats(tensors)).items()}


def weighted(outputs, cotangent):
    """Return the sum of all float outputs times their cotangents."""
    terms = [
        (torch.where(weight != 0, output, 0) * weight).sum()
        for name, output in only_floats(outputs).items()
        for weight in [torch.from_numpy(cotangent(name, tuple(output.shape))).to(output)]
    ]
    return sum(terms) if terms else None


def is_ctc(function):
    """Tell whether a loss is CTC: few other operations come after it."""
    functions = [function]
    for _ in range(LAST):
        if any("CtcLoss" in type(one).__name__ for one in functions):
            return True
        functions = [one for each in functions if each for one, _ in each.next_functions[:2]]
    return False


def one_number(loss):
    if not isinstance(loss, torch.Tensor) or loss.numel() != 1 or not loss.is_floating_point():
        raise OutputError(loss, "loss", "one number, a float tensor")
    return loss.reshape(())


def differentiated(total, tensors):
    """Return the gradients of a number; 0 for what it does not depend on."""
    if total is None or not total.requires_grad or not tensors:
        return [torch.zeros_like(tensor) for tensor in tensors]
    found = torch.autograd.grad(total, tensors, allow_unused=True)
    return [torch.zeros_like(t) if gradient is None else gradient for t, gradient in zip(tensors, found, strict=True)]


def summed(tensors, gradients):
    """Return the sums of the gradients of several tensors of each name."""
    each = iter(gradients)
    return {name: sum(next(each) for _ in own) for name, own in tensors.items() if own}


def same(tensor, before):
    """Tell whether nothing was written to a tensor, not even the numbers that it had."""
    return (
        tensor._version == 0
        and tensor.shape == before.shape
        and torch.equal(tensor.detach().nan_to_num(), before.nan_to_num())
    )


def plain(tensors):
    dense = {name: t.to_dense() if t.layout != torch.strided else t for name, t in tensors.items()}
    return {name: (t.float() if t.dtype == torch.bfloat16 else t).detach().cpu().numpy() for name, t in dense.items()}
