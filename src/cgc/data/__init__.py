"""Images and clips from their source to batches, in one direction.

    sources       a module per kind of source reads it, and hands both splits to ...
    writer        ... which writes one folder: Arrow tables and a description (table, prepared),
    loader        which training and evaluation read in batches, transformed (transforms,
                  clip_transforms); in_memory does the same for small images; batches chooses.

Nothing is imported here: preparing needs scikit-learn, training does not.
"""
