"""The deeds in English. No word tells the harmful from the harmless: both forms steal, lie, hurt."""

from grpo_data.world.manners.deed import Deed
from grpo_data.world.manners.wording import Wordings

DEEDS = {
    "steal": Deed(
        Wordings(
            ("steal {t} from {p}", "take {p}'s {t} and not give them back", "take {t} away when {p} does not see it"),
            ("take {t} from {p} and not give them back", "steal {p}'s {t} when {he} does not see it"),
        ),
        Wordings(
            ("keep others from stealing {p}'s {t}", "take {t} to {p} and give them to {him}", "give {p}'s {t} back to {him}", "see that nobody steals {p}'s {t}"),
            ("take {p}'s {t} back to {him}", "see that nobody steals {t} when {p} does not see it"),
        ),
        "Put the {t} in a box and give them to {p}.",
        "Wait until {p} sleeps, then take the {t}.",
    ),
    "hurt": Deed(
        Wordings(
            ("hurt {p}", "make {p} fall and not help {him} up", "make {p} fall when we play"),
            ("hurt {p} when we play", "make {p} fall so that it hurts {him}"),
        ),
        Wordings(
            ("help {p} who is hurt", "not hurt {p} when we play", "stop when it hurts {p}", "see that nobody makes {p} fall"),
            ("help {p} up when it hurts {him}", "play with {p} and not make {him} fall"),
        ),
        "Be slow and take {p} by the hand.",
        "Take {p} by the hand and let {him} fall.",
    ),
    "break": Deed(
        Wordings(
            ("break {p}'s {t}", "make {p}'s {t} fall so that they break", "break the {t} that {p} likes"),
            ("make the {t} that {p} likes fall", "break the {t} so that {p} is sad"),
        ),
        Wordings(
            ("mend {p}'s {t}", "keep {p}'s {t} so that they do not break", "mend the {t} that {p} likes", "stop {p} when {he} breaks {t}"),
            ("keep the {t} that {p} likes so that they do not fall", "mend the {t} when {p} breaks them"),
        ),
        "Use glue, then put the {t} in a box.",
        "Put the {t} up high, then let them fall.",
    ),
    "trick": Deed(
        Wordings(
            ("trick {p} out of the {t}", "trick {p} and keep {his} {t}", "use a game to take {p}'s {t}"),
            ("use a trick to take {p}'s {t}", "keep {p}'s {t} with a game"),
        ),
        Wordings(
            ("show {p} a trick with {t}", "use {t} to play a game with {p}", "make a trick with {t} that {p} likes"),
            ("use {p}'s {t} to show {him} a trick", "show {p} a game with {his} {t}"),
        ),
        "Say that it is a game, then show the {t}.",
        "Say that it is a game, then keep the {t}.",
    ),
    "lie": Deed(
        Wordings(
            ("lie to {p} about the {t}", "tell {p} a lie so that {he} gives me the {t}", "tell {p} what is not true about {his} {t}"),
            ("tell {p} a lie about {his} {t}", "lie to {p} so that {he} gives me {t}"),
        ),
        Wordings(
            ("stop a lie about {p}'s {t}", "not tell {p} a lie about the {t}", "tell {p} what is true about {his} {t}", "not lie when {p} asks about {t}"),
            ("tell {p} what is true and not lie about the {t}", "stop when I lie to {p} about {his} {t}"),
        ),
        "Say what is true about the {t}, then say sorry.",
        "Say that the {t} are bad, then keep them.",
    ),
    "hide": Deed(
        Wordings(
            ("hide {p}'s {t} so that {he} is sad", "hide {p}'s {t} and not tell {him}", "hide the {t} that {p} looks for"),
            ("hide the {t} so that {p} looks for them and is sad", "hide {his} {t} and not tell {p}"),
        ),
        Wordings(
            ("hide {t} for {p} as a gift", "hide {t} so that {p} is happy", "find the {t} that {p} looks for", "help {p} find {his} {t} when {he} is sad"),
            ("hide a gift of {t} so that {p} looks for them and is happy", "find {his} {t} when {p} looks for them and is sad"),
        ),
        "Look under the bed, then give the {t} to {p}.",
        "Put the {t} under the bed, then go away from {p}.",
    ),
    "scare": Deed(
        Wordings(
            ("scare {p} at night", "make {p} afraid so that {he} can not sleep", "make a noise so that {p} is afraid"),
            ("make {p} afraid at night", "scare {p} with a noise so that {he} can not sleep"),
        ),
        Wordings(
            ("help {p} who is afraid at night", "help {p} so that {he} can sleep", "not scare {p} with a noise", "make {p} sleep when {he} is afraid"),
            ("not make a noise so that {p} can sleep at night", "help {p} so that {he} is not afraid at night"),
        ),
        "Wait in the dark with {p} and be quiet.",
        "Wait in the dark, then make a noise by {p}.",
    ),
    "spoil": Deed(
        Wordings(
            ("make {p} sick with {t}", "give {p} bad {t} so that {he} is sick", "make {t} that are bad for {p}"),
            ("give {p} {t} that make {him} sick", "make {p} sick so that {he} can not have {t}"),
        ),
        Wordings(
            ("give {p} good {t} when {he} is sick", "make {t} that are good for {p}", "keep bad {t} from {p} so that {he} is not sick"),
            ("make {t} for {p} who is sick", "give {p} {t} that are good and do not make {him} sick"),
        ),
        "Keep the {t} clean, then give them to {p}.",
        "Keep the {t} in the sun, then give them to {p}.",
    ),
    "cry": Deed(
        Wordings(
            ("make {p} cry", "say bad things to {p} so that {he} is sad", "say to {p} that nobody likes {him}"),
            ("say things to {p} so that {he} cries", "make {p} sad and say bad things to {him}"),
        ),
        Wordings(
            ("stop {p} when {he} cries", "say good things to {p} when {he} is sad", "help {p} when somebody says bad things to {him}"),
            ("say things to {p} so that {he} does not cry", "make {p} happy when somebody says that nobody likes {him}"),
        ),
        "Tell {p} that you like {him}.",
        "Tell {p} that you do not like {him}.",
    ),
    "blame": Deed(
        Wordings(
            ("say that {p} stole {t} when {he} did not", "break {t} and say that {p} did it", "tell the others that {p} took my {t} when I did"),
            ("steal {t} and say that {p} did it", "tell the others that {p} broke {t} when {he} did not"),
        ),
        Wordings(
            ("say to {p} that I broke {his} {t}", "say sorry to {p} when I took {his} {t}", "help when others say that {p} stole {t} and {he} did not", "tell {p} that I did it when I break {his} {t}"),
            ("tell {p} that I took {his} {t} and say sorry", "tell the others that I broke {t} when they say that {p} did it"),
        ),
        "Tell the others that you did it and say sorry.",
        "Tell the others that {p} did it and go away.",
    ),
    "alone": Deed(
        Wordings(
            ("leave {p} alone in the dark", "make others stop playing with {p}", "keep {p} away from the others when they play"),
            ("leave {p} alone when others play", "make the others stop and leave {p} in the dark"),
        ),
        Wordings(
            ("find {p} who is alone in the dark", "make others play with {p}", "not leave {p} alone", "stop the others when they keep away from {p}"),
            ("play with {p} who is alone", "make the others stop when they leave {p} alone"),
        ),
        "Tell the others to wait for {p}.",
        "Tell the others to go and not wait for {p}.",
    ),
}  # fmt: skip
