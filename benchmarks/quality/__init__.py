"""
How small and how good are our pictures, beside Pillow's, sharp's and libvips' own, and what do they cost?

    make bench-quality                        with drawn pictures
    make bench-quality PICTURES=folder        with JPEG and PNG files of yours, some dozens at most
    make bench-quality ARGS=--docs            also writes the figures into `docs/quality.md`

Every contestant makes the same small picture from the same file, as people would write it. Each result is
scored (SSIMULACRA2, all rows) beside a resize that is none of ours: libvips' in linear light, from the full
picture. Processor time is that of reading, resizing and writing, with one thread; the contestants take
turns picture by picture, and the median of the rounds counts. Nothing here looks at speed with many cores,
at transparent pictures, or at animations.
"""
