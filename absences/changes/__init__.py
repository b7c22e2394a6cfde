"""What became of the absences that a caller sees since they last asked: read on from a place in the order of commits.

A token says how far its bearer has read, and of what: in which life of the database, with which agents in sight,
through which filters. When one of these is another, or tombstones that they have not seen are gone, no list of changes
leads from what they have to what there is, and they are told to begin anew (410).

Who begins reads everything that is there, in the same order; what changes meanwhile comes once more, later. So each
page is the same question, and whoever puts each object in its place has in the end what a full read would give.
"""
