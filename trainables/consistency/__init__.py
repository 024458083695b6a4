"""The bundled stage: consistency distillation of a PDE surrogate (Song et al., 2023)."""
