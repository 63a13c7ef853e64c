"""Many real people, none seen in training: does refining help an estimator of gaze on them?

    SIMGAN_DATA=... python -m experiments.real_people [--quick] [--full] [--seeds=3]

Real images are eyes of the Columbia Gaze set, cut to MPIIGaze's scale and split by person: 1-28 without
their labels are the refiner's real images, 37-44 are the test. Labels of 1-28 train the rows "real" and
nothing else. The folder `columbia` holds `unlabelled.csv` and `test.csv` as the source `table` reads
them (file, gaze_x, gaze_y, gaze_z, participant) with the images they name.

The set's description says where people looked (pitch 0 and +-10, yaw 0 to +-15 degrees to the camera),
how their heads were turned (0 and +-15 degrees) and where a straight eye lies in the picture;
`DESCRIBED` are renderings like that. Variants:

- "pixels": self-regularisation of the pixels alone, the eye weighing six times as much;
- "estimator": beside it what two frozen estimators read must stay (`loss.psi`);
- "mismatched": "pixels" on renderings of people at a laptop, who look down by 9 degrees on average;
- "mismatched_estimator": "estimator" on those;
- "varied": "estimator" on renderings at the photographs' true scale, whose people differ twice as much
  (`VARIED`: the best of `real_people.shapes`, by the people 29-36), in many small updates;
- "matched_first": those renderings by the default configuration, so that they get the grey values of
  photographs before they are refined;
- "paper_size": the same with the paper's refiner, history, K_g and pre-training, and 2,300 iterations
  of 10,000. Batches stay at 16: one update of 512 takes 20 seconds on a core.

Rivals without a network ("matched", "fda") and augmentation are rows of the same table. The checkpoint
is chosen without labels. Intervals resample people, and seeds.
"""

from collections.abc import Sequence
from pathlib import Path

from experiments import protocol
from experiments.real_people.configurations import (
    ROWS,
    config,
    matched_first,
    paper_size,
    varied,
)
from simgan_jax import command


def main(argv: Sequence[str]) -> None:
    """Runs the experiment."""
    del argv
    variants = {
        "pixels": config(described=True, estimator=False),
        "estimator": config(described=True, estimator=True),
        "mismatched": config(described=False, estimator=False),
        "mismatched_estimator": config(described=False, estimator=True),
        "varied": varied(),
        "matched_first": matched_first(),
        "paper_size": paper_size(),
    }
    protocol.run("real_people", variants, Path(__file__).parent, show_real=False, rows=ROWS)


if __name__ == "__main__":
    command.run(main)
