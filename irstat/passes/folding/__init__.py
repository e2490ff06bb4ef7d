"""The algebra of `fold_batchnorm`: an affine map by channel, and how it travels until a linear operator takes it."""
