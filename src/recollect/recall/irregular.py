"""English forms that no stemmer brings together: of verbs, and of some nouns and adjectives.

Left out is what is as often another word's form: "lives" and "leaves" are what somebody does, too.
"""

from __future__ import annotations

from functools import cache

_FORMS = (
    "arise arose arisen|awake awoke awoken|bear bore borne|beat beaten|become became|begin began begun|bend bent"
    "|bind bound|bite bit bitten|bleed bled|blow blew blown|break broke broken|breed bred|bring brought|build built"
    "|burn burnt|buy bought|catch caught|choose chose chosen|come came|creep crept|deal dealt|dig dug|do done"
    "|draw drew drawn|dream dreamt|drink drank drunk|drive drove driven|eat ate eaten|fall fell fallen|feed fed"
    "|feel felt|fight fought|find found|flee fled|fly flew flown|forbid forbade forbidden|forget forgot forgotten"
    "|forgive forgave forgiven|freeze froze frozen|get got gotten|give gave given|go went gone|grow grew grown"
    "|hang hung|hear heard|hide hid hidden|hold held|keep kept|kneel knelt|know knew known|lay laid|lead led"
    "|lean leant|leap leapt|learn learnt|leave left|lend lent|lie lay lain|light lit|lose lost|make made|mean meant"
    "|meet met|mistake mistook mistaken|overcome overcame|pay paid|prove proven|quit quitted|ride rode ridden"
    "|ring rang rung|rise rose risen|run ran|say said|see saw seen|seek sought|sell sold|send sent|sew sewn"
    "|shake shook shaken|shine shone|shoot shot|show shown|shrink shrank shrunk|sing sang sung|sink sank sunk"
    "|sit sat|sleep slept|slide slid|smell smelt|speak spoke spoken|speed sped|spend spent|spill spilt|spin spun"
    "|spring sprang sprung|stand stood|steal stole stolen|stick stuck|sting stung|strike struck|strive strove"
    "|swear swore sworn|sweep swept|swim swam swum|swing swung|take took taken|teach taught|tear tore torn|tell told"
    "|think thought|throw threw thrown|understand understood|undergo underwent undergone|wake woke woken"
    "|wear wore worn|weave wove woven|weep wept|win won|wind wound|withdraw withdrew withdrawn|write wrote written"
    "|child children|person people|man men|woman women|foot feet|tooth teeth|goose geese|mouse mice"
    "|wife wives|knife knives|half halves|shelf shelves|wolf wolves|thief thieves|loaf loaves"
    "|good better best|bad worse worst"
)


@cache
def lemmas() -> dict[str, str]:
    """From an irregular form to the word that it is a form of; of several the one named first."""
    found: dict[str, str] = {}
    for line in _FORMS.split("|"):
        lemma, *forms = line.split()
        for form in forms:
            found.setdefault(form, lemma)
    return found
