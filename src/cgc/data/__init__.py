"""Images from their source to batches, in one direction.

    digits, cifar10, images      prepare a source ...
      (parquet reads shards)
    image_set, image_table       ... as one folder of Arrow tables with a description,
    transforms, loading          which training and evaluation read in batches.

Nothing is imported here: preparing needs scikit-learn, training does not.
"""
