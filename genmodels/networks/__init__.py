"""Network architectures, without losses or sampling. Constructor arguments are the saved config.

Module paths, class names and submodule names are part of the published file format: they appear in
model_index.json and in state dicts. Never rename them.
"""
