"""Images from their source to batches, in one direction.

    digits, cifar10, images      prepare a source ...
      (parquet reads shards)
    image_set, image_table       ... as one folder of Arrow tables with a description (prepared),
    transforms, loading          which training and evaluation read in batches.

    moving_digits, videos, frame_lists; clip_set, clip_table; clip_sampling, clip_transforms,
    clip_loading                 the same for clips; batches chooses between the two.

Nothing is imported here: preparing needs scikit-learn, training does not.
"""
