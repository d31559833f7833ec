"""Which language a text in Latin script is in, guessed by its commonest words; and which words say little in ranking.

A guess needs no model and no more than a few words, and it may be wrong: a query is therefore stemmed in every
language (`recollect.recall.analyzer.query_words`), so that a wrong guess costs a match between two forms of a word at
most, never a match of the word itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from itertools import repeat

DEFAULT = "english"

STOP_WORDS: dict[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "english": "a about above after again against all also am an and any are aren as at be because been before"
        " being below between both but by can cannot could couldn d did didn do does doesn doing don down during each"
        " few for from further had hadn has hasn have haven having he her here hers herself him himself his how i if"
        " in into is isn it its itself just let ll m me more most my myself no nor not of off on once only or other"
        " our ours ourselves out over own re s same shall she should shouldn so some such t than that the their"
        " theirs them themselves then there these they this those through to too under until up ve very was wasn we"
        " were weren what when where which while who whom whose why will with won would wouldn you your yours"
        " yourself yourselves",
        "german": "aber als am an auch auf aus bei bin bis das dass dein dem den der des dich die dir doch du ein eine"
        " einem einen einer er es für hab habe haben hat hatte ich ihm ihn ihr im in ist ja kann mein mich mir mit nach"
        " nicht noch nur oder schon sehr sein sich sie sind so über um und uns unser vom von vor war waren warum was"
        " wann wenn wer werden wie wir wird wo zu zum zur",
        "french": "a à ai au aux avec c ce ces cette comme dans d de des du elle en es est et était eux il ils j je l"
        " la le les leur lui m ma mais me mes moi mon n ne nos notre nous on ont ou où par pas plus pour qu quand que"
        " quel quelle qui s sa sans se ses son sont sur t ta te tes toi ton tu un une vos votre vous y",
        "spanish": "a al algo como con cuando cuál de del donde dónde el ella ellos en era eres es esta está este estoy"
        " fue ha hay he la las le les lo los me mi mis mucho muy más nada no nos o para pero por porque que qué quién se"
        " ser si sí sin sobre son soy su sus también te tengo ti tu tus un una uno y ya yo",
        "portuguese": "a ao aos as até com como da das de dela dele do dos e ela ele em era essa esse esta está este eu"
        " foi há isso já lhe mais mas me meu minha muito na não nas no nos o onde os ou para pela pelo por porque quando"
        " que quem se sem ser seu sua são também te tem tenho um uma você vocês",
        "italian": "a abbiamo ad ai al alla alle anche che chi ci come con cosa da dal dei del della delle di dove e è"
        " ed era gli ha hai hanno ho i il in io la le lei lo loro ma mi mia mio molto nel nella noi non o per perché più"
        " quando quello questa questo se sei si sono su sua suo sul ti tu tuo un una uno vi voi",
        "dutch": "aan als bij dan dat de der deze die dit door dus een en er ge geen had heb hebben heeft het hij hoe"
        " hun ik in is je jij kan maar me meer met mij mijn naar niet nog nu of om ons ook op over te toen uit van veel"
        " voor waar was wat we wel werd wie wij worden ze zich zij zijn zo zou",
        "swedish": "alla att av blev bli de dem den denna det detta dig din du där då efter ej eller en er ett från för"
        " ha hade han hans har hon hur här i icke inte ja jag kan man med men mig min mitt mot mycket ni nu när någon"
        " och om oss på sedan sig sin ska som så till under upp ut vad var vem vi vid än är åt över",
        "danish": "af alle at blev da de dem den der deres det dette dig din dog du efter eller en er et for fra ham han"
        " har havde hende her hos hun hvad hvem hvor hvornår i ikke ind jeg jo kan man med meget men mig min mod ned"
        " noget nu når og om op os over på sig sin skal som så til ud var vi vil være",
        "norwegian": "alle at av ble bli da de dem den der deres det dette deg din du eller en er et etter for fra han"
        " har hadde henne her hun hva hvem hvor hvorfor i ikke inn jeg kan man med meg men min mot mye ned noe nå når og"
        " om opp oss over på seg sin skal som så til ut var vi vil være",
        "finnish": "ei eikä en ehkä eli en että he hän ja jo joka jos kanssa kuin kun kuka me minulla minun minä missä"
        " mitä mikä mutta myös ne niin nyt olen oli olla on ovat se sen sinun sinä sitten tai tämä vain vai vaan voi",
        "turkish": "ama bana ben beni benim bir biz bu çok da daha de değil diye en gibi hem için ile ise kadar ki kim"
        " mi mu mı ne neden nerede o ol olan olarak onu onun sana sen seni şey şu var ve veya ya yok",
        "polish": "a ale bo by był była być co czy dla do dla gdy gdzie go i ich ja jak jako je jego jej jest jestem ma"
        " mam mi mnie moja mój na nie niż o od on ona oni po pod przez przy są się ta tak tam te tego ten to tu ty w we z"
        " za ze że",
        "romanian": "a ai al am ar are as au ca că când care ce cu cum da dar de din după e ea ei el este eu face fi fost"
        " iar îi în îmi la le lui mai mea mă meu mi ne nu o pe pentru sa să se și sunt te ti tu un una unde va vă",
        "hungarian": "a az azt be csak de egy el én és ez ezt ha hanem hogy hol igen is itt ki le ma már meg mert mi"
        " mikor mint most nagyon nem ő ők ott pedig s te ti vagy van volt",
        "czech": "a aby ale ani asi až bude by byl byla být co což do i já jak jako je jeho její jen jsem jsme jsou kde"
        " kdo když která který ma má mě mi na ne nebo není o od on po pro proto s se si tak také to tě ty už v ve však z"
        " za že",
        "indonesian": "ada adalah aku akan anda apa atau bagaimana bahwa bisa dalam dan dari dengan di dia ini itu juga"
        " kami kamu kapan karena kata ke kita lebih mereka oleh pada saya seperti siapa sudah telah tidak untuk yang",
    }.items()
}
"""The commonest words of the languages in Latin script that are told apart; Snowball has a stemmer for each."""

OTHER_STOP_WORDS = frozenset().union(
    *(
        words.split()
        for words in (
            "и в во не что он на я с со как а то все она так его но да ты к у же вы за бы по только ее мне было вот от"
            " меня еще нет о из ему когда где кто ли мы был была были для при это этот эта",
            "και το να του η της με που την από για τα είναι στο τον οι τι ο πότε ποιος",
            "في من على إلى عن مع هذا هذه ما هل أن كان لا متى أين كيف",
            "में है के का की को से और यह वह था थी पर ने कब क्या",
            "של את על לא זה אני הוא היא עם מה מתי",
        )
    )
)
"""Of other scripts; their scripts say the language, or which stemmer serves best."""


_ALSO_ENGLISH = frozenset(
    ["ai", "bin", "care", "come", "den", "die", "dig", "dog", "door", "era", "face", "far", "go", "ha", "ham", "hat", "hay", "hun", "kit", "man", "men", "met", "mod", "non", "ol", "pan", "per", "plus", "pour", "pro", "sin", "son", "soy", "ten", "till", "ton", "um", "van", "war", "ya"]
)  # fmt: skip
"""Common words of another language that an English text has as ordinary ones: they tell nothing."""


_LANE = 18
_LANE_MASK = (1 << _LANE) - 1
"""A count for each language in one number, side by side: each is below 2**18, as a text has no more words."""


@cache
def _telling() -> dict[str, int]:
    """From a word to a one in the lane of each language that it is common in."""
    found: dict[str, int] = {}
    for number, words in enumerate(STOP_WORDS.values()):
        for word in words:
            # A letter is as often a label or an initial.
            if len(word) > 1 and word not in _ALSO_ENGLISH:
                found[word] = found.get(word, 0) | 1 << number * _LANE
    return found


@cache
def foreign() -> frozenset[str]:
    """Words without which a text is taken for the default language with no further look."""
    return frozenset(_telling()) - STOP_WORDS[DEFAULT]


def guess(words: Sequence[str]) -> str:
    """The language that has the most of the words among its commonest; the default one where none has more.

    Parameters
    ----------
    words: case-folded, in order; fewer than 2**18.
    """
    return _leading(sum(map(_telling().get, words, repeat(0))))


@lru_cache(4096)
def _leading(counts: int) -> str:
    each = [counts >> number * _LANE & _LANE_MASK for number in range(len(STOP_WORDS))]
    best = max(each)
    languages = list(STOP_WORDS)
    return languages[each.index(best)] if best > each[languages.index(DEFAULT)] else DEFAULT
