use pyo3 as _; use numpy as _;
