"""What a few labelled real images add on top of training on synthetic, matched or refined ones."""
