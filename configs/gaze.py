"""Eye gaze (section 3.1 of the paper).

python -m simgan_jax.main --config=configs/gaze.py          embedded eyes
python -m simgan_jax.main --config=configs/gaze.py:tiny     seconds, to try the program
python -m simgan_jax.main --config=configs/gaze.py:pixels   the paper's psi: sooner, and paints
python -m simgan_jax.main --config=configs/gaze.py:paper    UnityEyes, MPIIGaze, the paper's numbers
"""

from ml_collections import ConfigDict, config_dict

from simgan_jax.evaluation.plan import default_settings


def get_config(variant: str = "") -> ConfigDict:
    """The configuration of a variant: "" (embedded data), or the name of a function below."""
    variants = {"": lambda config: config}
    variants |= {one.__name__: one for one in (tiny, pixels, paper)}
    if variant not in variants:
        names = ", ".join(filter(None, variants))
        raise ValueError(f"configs/gaze.py has no variant {variant!r}; one of {names}, or none")
    return variants[variant](default())


def default() -> ConfigDict:
    """Embedded eyes, sized for two CPU cores."""
    c = ConfigDict()
    c.name = "gaze"
    c.task = "gaze"
    c.seed = 0

    c.image = ConfigDict()
    c.image.height = 35
    c.image.width = 55
    c.image.channels = 1
    c.image.dtype = "uint8"

    size = {"height": c.image.get_ref("height"), "width": c.image.get_ref("width")}
    eyes = {"source": "procedural_eyes", "seed": 0} | size
    c.data = ConfigDict()
    simulator = {"domain": "simulator", "split": "train", "count": 8000, "equalized": False}
    c.data.synthetic = ConfigDict(eyes | simulator)
    c.data.real = ConfigDict(eyes | {"domain": "camera", "split": "train", "count": 4000})
    c.data.test = ConfigDict(eyes | {"domain": "camera", "split": "test", "count": 2000})
    # Labelled real images for the estimator "trained on real", if data.real has no labels.
    c.data.labelled = ConfigDict()
    # Synthetic images get the grey values of real ones first; shapes, blur and noise are left to
    # learn. The paper refines them as they are.
    c.data.histogram_matching = True
    # Sets stay on the devices up to this size, larger ones are streamed from memory. All devices of a
    # CPU share one copy; every accelerator holds its own.
    c.data.resident_gib = 4.0

    c.refiner = ConfigDict()
    c.refiner.features = 32  # paper: 64
    c.refiner.blocks = 4
    c.refiner.kernel = 3
    c.refiner.padding = "REFLECT"  # paper: zeros, which leave a frame at the border
    c.refiner.background = config_dict.placeholder(float)  # of depth images: 1.0, the far end
    c.refiner.noise_channels = 0
    c.refiner.dtype = "float32"
    c.refiner.residual = False  # what the network computes is added to the image
    c.refiner.remat = False

    c.discriminator = ConfigDict()
    c.discriminator.layers = "eyes"
    # A second discriminator, whose loss is added: wide sees 63 px, and so what patches do not show.
    c.discriminator.second = "none"
    c.discriminator.dtype = "float32"
    c.discriminator.spectral_norm = False

    c.loss = ConfigDict()
    c.loss.adversarial = "cross_entropy"  # or least_squares, hinge
    c.loss.local = True
    # lambda for means over pixels and patches; lambda of the paper's sums is 15.3 times smaller.
    c.loss.self_regularization = 0.5
    # Above 0, lambda is moved during training so that labels shift by this many pixels.
    c.loss.label_shift_target = 0.0
    # or identity, the paper's; channel_mean, derivatives. estimator keeps pixels and what frozen
    # estimators read off them.
    c.loss.psi = "estimator"
    # Of psi = estimator: the weight of what is read beside the pixels', and the estimators, which are
    # trained on synthetic images first. Each sees these changed at random, in turn so strongly: 1 as in
    # the rows "_augmented". Having seen other changes, they read other cues, and are not fooled alike.
    c.loss.reading = ConfigDict({"weight": 80.0, "estimators": 2, "images": 6000, "steps": 2500})
    c.loss.reading.augmentation = (1.0, 0.5, 1.5)
    c.loss.reading.of = "predictions"  # or features: the estimators' last hidden layer
    # Above 0, the weight is moved during training so that readings drift by so many degrees of gaze, or
    # pixels, on the axis that drifts most.
    c.loss.reading.target = 0.0
    # Above 0, places of a refined image must be told apart as those of the synthetic one (PatchNCE of
    # CUT), beside the pixels' part: grey values may change that change alike everywhere.
    c.loss.contrast = ConfigDict({"weight": 0.0, "places": 256, "temperature": 0.07})
    # Pixels inside this label's mask carry the gaze, and weigh more. "" is the paper's loss. With
    # iris_mask alone, a second pupil is painted beside the first.
    c.loss.weight = ConfigDict({"label": "eye_mask", "outside": 1.0, "inside": 3.0})
    c.loss.r1 = 0.0

    # momentum is b1 of Adam.
    c.optimizer = ConfigDict()
    adam = {"name": "adam", "learning_rate": 5e-4, "momentum": 0.5}
    c.optimizer.refiner = ConfigDict(adam)
    c.optimizer.discriminator = ConfigDict(adam)

    c.history = ConfigDict()
    c.history.size = 1024

    c.train = ConfigDict()
    # Few images an update, and many updates: nearer to the paper's 20,000 than larger batches come in
    # the same time, and more real for it.
    c.train.batch = 16  # paper: 512
    c.train.refiner_updates = 1  # K_g; paper: 2
    c.train.discriminator_updates = 1  # K_d
    c.train.pretrain_refiner = 200  # paper: 1000
    c.train.pretrain_discriminator = 100  # paper: 200
    c.train.steps = 900  # outer iterations of Algorithm 1
    c.train.micro_batch = 4  # fastest on CPU; 0, all at once, on accelerators
    c.train.ema = 0.995

    c.watch = ConfigDict()
    c.watch.log_every = 20
    c.watch.sample_every = 200
    c.watch.checkpoint_every = 200
    c.watch.keep = 3

    c.evaluate = default_settings()
    rows = ("synthetic", "refined", "real", "matched", "refined_augmented", "matched_augmented")
    c.evaluate.quick.rows = rows
    return c


def pixels(c: ConfigDict) -> ConfigDict:
    """Self-regularisation of pixels alone, as in the paper, the iris weighing more; larger batches."""
    c.name = "gaze_pixels"
    c.data.histogram_matching = False
    c.evaluate = default_settings()
    c.loss.psi = "identity"
    c.loss.weight = ConfigDict({"label": "iris_mask", "outside": 1.0, "inside": 3.0})
    c.train.update(batch=32, refiner_updates=2, steps=500, ema=0.99)
    c.train.update(pretrain_refiner=100, pretrain_discriminator=50)
    c.watch.update(log_every=10, sample_every=100, checkpoint_every=100)
    return c


def tiny(c: ConfigDict) -> ConfigDict:
    """Everything small: for tests and a first look."""
    c = pixels(c)
    c.name = "gaze_tiny"
    c.data.synthetic.count = 256
    c.data.real.count = 256
    c.data.test.count = 128
    c.refiner.features = 8
    c.refiner.blocks = 1
    c.history.size = 64
    c.train.batch = 8
    c.train.micro_batch = 0
    c.train.pretrain_refiner = 10
    c.train.pretrain_discriminator = 5
    c.train.steps = 20
    c.train.ema = 0.9
    c.watch.log_every = 5
    c.watch.sample_every = 10
    c.watch.checkpoint_every = 10
    c.evaluate.quick.update(images=128, probe=64, discriminator_steps=10, estimator_steps=10)
    c.evaluate.quick.rows = ("synthetic", "refined", "real")
    c.evaluate.estimator.width = 0.1
    return c


def paper(c: ConfigDict) -> ConfigDict:
    """UnityEyes to MPIIGaze with the paper's networks, schedule and sizes; for accelerators."""
    c = pixels(c)
    c.name = "gaze_paper"
    size = {"height": c.image.get_ref("height"), "width": c.image.get_ref("width"), "data_dir": ""}
    c.data.synthetic = ConfigDict({"source": "unity_eyes", "split": "train"} | size)
    c.data.real = ConfigDict({"source": "mpii_gaze", "split": "train"} | size)
    c.data.test = ConfigDict({"source": "mpii_gaze", "split": "test"} | size)
    c.refiner.features = 64
    c.refiner.padding = "SAME"
    c.loss.weight.label = ""
    sgd = {"name": "sgd", "learning_rate": 1e-3, "momentum": 0.0}
    c.optimizer.refiner = ConfigDict(sgd)
    c.optimizer.discriminator = ConfigDict(sgd)
    c.history.size = 51200
    c.train.batch = 512
    c.train.pretrain_refiner = 1000
    c.train.pretrain_discriminator = 200
    c.train.steps = 10000
    c.train.micro_batch = 0
    c.train.ema = 0.0
    c.evaluate.estimator.update(width=1.0, batch=64)
    return c
