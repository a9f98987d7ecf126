"""Machine-level pieces that ops share; arrays only, no Tensor."""
from tinyllm.kernels.heap import keep_freed_memory

keep_freed_memory()
