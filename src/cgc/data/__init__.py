"""Images and clips, from source to batches.

    sources       one module per kind of source reads both splits
    writer        writes them to one folder: Arrow tables and a description (table, prepared)
    loader        reads them in transformed batches (transforms, clip_transforms);
                  in_memory does the same for small images; batches chooses

Nothing is imported here: preparing needs scikit-learn, training does not.
"""
