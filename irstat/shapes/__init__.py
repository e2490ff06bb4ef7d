"""Shapes: binding named sizes (`binding`), inferring shapes, element types and small values (`infer`), and saying why a shape
stayed unknown (`unknown`)."""
