"""Training: the recipes of A.2 on Lightning Fabric."""
