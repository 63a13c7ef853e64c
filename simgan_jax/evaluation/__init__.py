"""Proof: estimators trained on synthetic, refined and real images, label preservation, realism."""
