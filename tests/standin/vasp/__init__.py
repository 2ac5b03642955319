"""A VASP for tests that holds nothing of VASP: it reads its input and writes its output files."""
