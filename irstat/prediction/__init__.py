"""How long a model will take, from its costs and from what this machine was measured to reach; nothing of it is run."""
