"""What characters cost in tokens: their classes, and the tables that `tokens.estimate_tokens` adds up.

Data, made and fitted by `tools/token_table.py --fit`; `tokens` says what it means.
"""

from __future__ import annotations

# Units of the tables: a token is 128 in the Latin tables and 64 in the one over scripts, where a character can cost 4.
TOKEN = 128
SCRIPT_UNIT = 2

# Classes of ASCII, by their numbers. Which letter and which sign stands where was found once, by hill climbing: they
# were moved between classes as long as that lowered the error of the refitted costs over the English, the code, the
# other languages and the random text that `tools/token_table.py --fit` fits on. The command itself keeps the classes.
LATIN = (
    " ",
    "\t\n\r",
    "0123456789",
    "cmnr",
    "ao",
    "ei",
    "hswy",
    "bdfgl",
    "ptu",
    "jkqvxz",
    "ACDEGHILMNOPRSTUV",
    "BFJKQWXYZ",
    "!$&+:[^`{|",
    "\"%'(),./;<>?@\\]}",
    "#*-=_~",
)
# The last class: control characters in a text that is all ASCII, whatever is not Latin in any other.
OTHER = 15
# A Latin letter beyond ASCII costs what a rare ASCII letter costs.
LATIN_LOWER, LATIN_UPPER = 9, 11

# Classes of the characters beyond ASCII. Of an alphabet or a syllabic script the vowels, the frequent letters and the
# rest have a class each: real words alternate between them, random letters do not.
BLANK, ASCII, VOWEL, FREQUENT, RARE, SIGN, COMMON, SELDOM = range(8)
HANGUL, HIRAGANA, KATAKANA, HAN, SYMBOL, TWO, THREE, FOUR = range(8, 16)

# (first, behind the last, class) of the characters that are a token of their own.
SCRIPTS = (
    (0x0370, 0x0590, RARE),  # Greek, Cyrillic, Armenian
    (0x0590, 0x0800, SELDOM),  # Hebrew, Arabic
    (0x0900, 0x10A0, SELDOM),  # the scripts of India, Thai, Burmese
    (0x10A0, 0x1100, RARE),  # Georgian
    (0x1780, 0x1800, SELDOM),  # Khmer
    (0x3040, 0x30A0, HIRAGANA),
    (0x30A0, 0x3100, KATAKANA),
    (0x4E00, 0xA000, HAN),
    (0xAC00, 0xD7A4, HANGUL),
)
LATIN_RANGES = ((0x00AA, 0x0250), (0x1E00, 0x1F00))

# Vowels, and the other letters of which some four fifths of a text consist: counted in the translations of Django and
# GNOME's help, those that `tools/token_table.py --fit` fits on.
VOWELS = "аеиоуыэюяіїєёαεηιουωάέήίόύώაეიოუաեէըիոօւ"
FREQUENT_LETTERS = "нтрслдвкмпбзгйьчхνσρπμκλςτγδθრლსმბვდნთგკხներտմլգվքկղհյբցս"
VOWEL_SIGNS = "اویيهىיוהאะาเแโใไำๅ"
COMMON_LETTERS = (
    "رملتدنبکكسفجحعخشقةأگپתלמשברסנחםכד"
    "নকরপবসতলটমযহআইদকरतसनपयलवहटमदबण।चजરકનમતવપસયલટજછદબહகதபமலடவரளறயனசங"
    "นอรกลมหสงบดทวผปยจตพคชขరనతమకపదచవసలయದರನಸತವಲಕಗಪಳಮಯಬകനയതപറവലടമസളര"
    "မကအစပခရငလနတသဆកមនសរបលតងពទយអចហ"
)

# fit:start (written by `python tools/token_table.py --fit`; see `corpora` there for the texts)
# Costs in 1/128 of a token, a row for each class of the character before: text that merges well.
PLAIN = bytes.fromhex(
    "02 58 c0 4a 5c 7a 5b 6f 54 7f 5d 6a 41 70 5b 08"
    "5f 00 86 46 82 6a ad 92 9b 67 72 8d a5 8b 38 60"
    "4e 77 16 8f 71 a8 cb ae 80 ff a8 a1 3a 62 7f 28"
    "1b b0 81 00 36 25 01 00 00 08 a2 7b 6d 46 6f 0e"
    "23 7d 91 00 00 00 00 00 00 00 0c 61 5e 87 00 03"
    "1a 9e 69 06 00 00 00 00 08 00 6d a7 36 38 58 03"
    "0a 62 b5 0d 00 00 00 78 00 06 00 49 49 34 43 0a"
    "00 61 62 00 0e 12 00 01 07 18 84 3d 59 64 00 3b"
    "0b 60 7f 00 09 00 00 00 03 6a 85 7d 3d 56 53 3c"
    "23 a7 89 16 27 00 00 b1 00 64 99 74 c9 9c 8d 2c"
    "13 8e 77 3f 10 44 00 72 2e 66 00 3e 96 31 8c 96"
    "4e 95 7b 00 37 27 04 c9 7e 97 80 65 5f c0 00 64"
    "38 31 59 00 00 78 ae a3 79 5d 76 ad 32 30 84 9e"
    "2d 0d a0 0f 7d 2b 00 7f 84 60 4e 59 37 36 60 d0"
    "1a 7b a0 51 78 22 a2 14 4c 5e 62 00 99 61 05 8e"
    "04 71 1a 17 11 66 89 65 45 4d 7c 67 0e 23 8a 90"
)
# Its last row and its last column in a text that is not all ASCII.
PLAIN_BESIDE = (
    bytes.fromhex("00 6d ff dd 5e 38 66 0f 00 17 ae 4d 7e 1d b7 00"),
    bytes.fromhex("13 21 69 91 25 94 b5 43 2a 81 32 23 71 69 00 00"),
)
# The same for text that does not.
DENSE = bytes.fromhex(
    "01 06 a4 06 06 12 06 06 06 2d 06 06 06 06 06 0f"
    "06 2a a4 06 17 06 1f 06 06 64 06 06 06 06 06 51"
    "06 19 35 5f 59 5b 4d de 8b 4e 91 91 ae 73 4c 3a"
    "06 06 7b 41 06 06 15 06 27 4d 74 70 8c 58 06 06"
    "3d 83 34 06 34 5c 27 21 21 66 ff 88 c0 63 c1 06"
    "09 36 5d 06 22 46 14 3a 50 6d 06 6d 6d 33 06 67"
    "06 06 33 a6 39 1c 3d c8 5f 8d c3 d2 06 0f 06 64"
    "06 06 43 82 45 06 44 3d 6c 6a c5 7a 06 06 06 3b"
    "06 06 3d 2e 2a 06 06 2f 3b 5c 06 96 a8 06 06 06"
    "07 37 06 57 40 28 28 58 51 4b d9 f9 29 16 06 1b"
    "06 06 8b 17 06 06 06 06 43 17 39 64 38 32 06 70"
    "06 31 8c 91 6b 06 2b 06 06 08 31 65 8c 06 c2 6d"
    "06 06 54 71 92 87 47 06 48 7b 8b 66 40 85 d8 14"
    "06 06 29 79 2a a8 8a 0c 06 14 c8 72 6d 31 83 59"
    "06 06 4f 06 06 06 06 72 06 06 06 33 47 06 31 0c"
    "07 4d 79 06 06 06 06 4b 82 06 1a 06 b0 9a 07 95"
)
# Its last row and its last column in a text that is not all ASCII.
DENSE_BESIDE = (
    bytes.fromhex("00 75 00 4b 00 00 00 3c 2f 69 00 71 00 00 3f 05"),
    bytes.fromhex("00 05 00 6a 2a 3d 00 00 00 a4 00 5b 4c cb 00 05"),
)
# Costs in 1/64 of a token, a row for each script before: words of that script.
SCRIPT_PLAIN = bytes.fromhex(
    "33 00 00 00 00 00 22 00 08 28 2e 23 25 4c 68 01"
    "00 00 36 1e 2b 24 00 43 55 22 29 06 00 35 06 00"
    "00 0d 88 00 20 00 00 00 00 00 00 00 08 66 00 00"
    "1c 28 00 3d 48 00 00 00 00 00 00 00 00 55 00 00"
    "41 1a 00 21 5d 00 00 00 00 00 00 00 00 59 00 00"
    "00 1c 00 00 00 35 22 27 02 00 00 00 06 5b 00 00"
    "00 3d 00 00 00 10 13 0a 0b 00 00 00 58 46 00 00"
    "02 22 00 00 00 40 03 20 02 00 00 00 23 16 03 00"
    "18 00 00 00 00 01 0b 02 34 00 00 0b 2e 55 2a 00"
    "1f 19 00 00 00 00 00 00 00 25 52 3a 25 6e 00 00"
    "45 46 00 00 00 00 00 00 00 27 1d 3f 67 61 02 00"
    "2b 27 00 00 00 00 00 00 1a 3a 43 2a 0e 8f 0e 00"
    "17 16 03 0b 00 00 47 1c 58 3b 51 67 35 67 58 00"
    "4b 26 46 4b 71 58 17 2c 62 64 88 70 52 88 b7 00"
    "67 00 00 00 00 01 00 02 37 00 00 34 63 82 c7 00"
    "01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 12"
)
# The same for random letters.
SCRIPT_DENSE = bytes.fromhex(
    "33 00 35 13 46 00 00 15 2d 26 00 31 12 64 48 87"
    "00 00 45 04 0a 70 8f 09 18 00 00 00 0c 0e 08 00"
    "0d 0d 21 08 24 00 00 00 00 00 00 00 6a 0d 00 00"
    "00 04 1a 00 0c 00 00 00 00 00 00 00 25 13 00 00"
    "1c 00 24 0d 22 00 00 00 00 00 00 00 00 20 00 00"
    "00 00 00 00 00 57 00 02 00 00 00 00 05 1e 00 00"
    "00 00 00 00 00 1a 2d 39 00 00 00 00 00 60 00 00"
    "00 62 00 00 00 23 5b 56 00 00 00 00 00 70 00 00"
    "00 40 00 00 00 00 00 00 27 00 00 00 00 53 30 00"
    "37 00 00 00 00 00 00 00 00 33 00 20 00 52 00 00"
    "06 03 00 00 00 00 00 00 00 00 33 00 01 30 00 00"
    "00 00 00 00 00 00 00 00 00 00 00 2b 4d 94 04 00"
    "00 0b 20 04 03 00 00 00 00 00 1d 15 3e 53 01 00"
    "43 4c 18 17 1f 2c 6b 8e 13 62 3a 71 59 88 36 01"
    "18 11 00 00 00 00 00 00 4f 00 00 04 02 39 c8 03"
    "81 00 00 00 00 00 00 00 00 00 00 00 00 01 02 ff"
)
# Tokens of each character by itself, U+0080 to U+1FFFF, a byte each; compressed.
ALONE = (
    "c-rlq4SVdU4Mv|s`~QD)dv`N70tp1RXOf%uY};)nlNlR?z7R5{1^DM*$4|SI^|$}~->-{!{q)bz<$V3$pI$F<yy^V0yk"
    "35N@}HlJ`RDl7_U4ZpKVE2lKVtmb6`X5J{^38@_!_S#FSEKp!VAgW=Q;7g)pGOjwpV(5Ni4=zrXnHU8O8H2xw78+MOW4"
    "@=<9EItu*TOSFhB<P{xjL{(28~23fo)D=-wZfX%I+qxrQGvg4M&ltUhz@tw;?EG2kyKl!|w6t=I^{i4*;@|x%VDy=TAR"
    "P>kDtu*mS>g>flw4i?w|M}&VQvwg6nklwc2b9xys27jFMm%@tT>tT!tDTA3YMqkYeR}0gbj!B8QVzArv684qr*US^?=R"
    "=~hrUXseI^Fz{C;oH!Mr~n|G}ysyAp>%=I~?8mzbe$uY1$eIp+UML-LxuQ%f03bKGlXflA(nbeCwR@%3e=lRF*%LriuY"
    "yvAfUK6PsT+wXVWYI65q&d;Y987!WWv)^A>nfJ;f(p=8zxSWD<%!IkXT6H-KB02n}cVOnBRDBl@*i@d6ao+X8Pk!`O`*"
    "*IKE^MvLP2;hZ$lY)3N=otd;qDa?nmgL^e~kYl<bMkxKEj#zaI$}48a8swN|yndMLwDVA%y(j-|4@lg4NN60cQKk`KxA"
    "|j@@{!P$l@G-4AM$M9%-Kw)xs^*4rX=QoldV@iX$v!p~Jo+3c>>8DBftD;va2hlKRVvNutz{~mYycXyLI8h!5Eci)s?-"
    "1|K;F;@n$&948In{Be6xh(g0WpsILEGQ%E<kp|r1!%6vL~^G_X?FjQjRdxp)XH|1`QL<ke{i$?7WqxoSn)QEy!OYJ^A8"
    "FEgzVRC`Ufp4A;b^be<)qm?n1y;mtRc^=e$DMz6!RhBAXOFm$*d7ud<~oAicA|!%cOt;=g^sZYci!=Kcp7e<6erLI@#*"
    "5JCtcgb+dqk*BWyE=Lmxdy1^;aAq2qm9uF=InSPzqajbBY362nlGy4;?0?S6=~t!W(cr<<DpoI5e`tFjRJ|Q+L82|~He"
    "Jh1gC$B=Xj$Cq=(A@?^|xIuC_#xSUco!|DxJ@AckA&>*Rl8O71%>*%R33$L(zX2ZoPj0mxSf#!)8>If_xVGw6R*BN%W2"
    "N!ONzVPj$mp*RrZ<NL@owY~#bW0>54<=NM4UYgd49Rth@<4|UOTb6n@F#;~iUDpIDAUBa2Eij|4VB;v*_O{WOl3TrwUH"
    "+>oxjz2hBYSg;I)|6DeF>E<^tEC{Eq*E0cVTfx^s>Uy;zN9O0KgF-Kzb{oADx(?Apr1`bjvJ=npU&yjoue2A{i2wi{>f"
    "?3M%~A6%IbnhE-1qfXMBdp6GFdYo=H^^TS_b#K(4Az-qT!Xc=U{RsnrU^Hi^U@YV;?ze;@VB_QTCzPluEJ`y8ybt7ks&"
    "wDSDGU+9zM4lB~iBa0e*AP><mYRy#11g8Zzuh3e9+Tt*{L#!*?eHyW@B2b9tgYZt~5Fe_<cLsxLPQN((c6K#zCls)*jB"
    "Y=q)9G!~7ZAti!Oj3jOGR5%Yg(;UQ(UTU)Q#I~283R}9pZe(TjeaHtrvsq_+uU4x^-B;8tG>&ci<Y=!((jfGxN%lD*FE"
    "Quc^bw^k&Jr@@-5@aptjV6h~(i^TS9RDs_gE#;BGq3}5QB$>>yeQ|(R@C;2Yeu*opaL3R3W2vu{>*P!->kH+Prz4+#8Z"
    "FCaG%tT7Qb^C1`m9X3K0%vlhmXQQwB8{Q%ikmZ-=MH?Mm9`p$tq$-s;=OL}g%8F(4(&yAH0G)cQO?j3XBz5eww=4&Tf{"
    "mH?IQkeEny<;L%-DN5j?GCbC@N{!m$|o;3nK6F>n`kv8frDg$Z=ZhhercAr1@=M&sr4(jFfJ?>My9lMF!|Zrrmt8of+?"
    "+8>j)X;a2lbYV0cfp^~yG)*$vRd>}xNsO*1aIE@R#4cA)K00U5m9jeJ<D|6dS3~T#r8~wj2zaQ2y6$Nb^a<{^!)<MRP5"
    "WFgt~60(>njimSW=#w`GT>w@g|5S@xfSSRRdS*Est#Kj+~XH4`i6;qDaQ1^BmYUTg^1n1IvzU`U^?_1>=kgX$NC%z_~u"
    "ccf?<F2eeJz;tOuHPiA6d&o%e7)q<QFRciXe?6fw+ab&$+#MUN9>3?7l;^P^eX4f>*W;BrrK^hc$Lv;D0k?-$qE;ufKY"
    "b9Mb&=_h4whGS!fJvA!2uuPK>Uyb^z!EdrJ)WujFc*-`&m{E^o+S;fr|UE_8_7%#u#6}9x)1uXeU;ri=(f0vo5Ie8=j|"
    "i2CcA_C9q0ymc#;#dxMCM(fBFi$LN@fN@ydFF;IXq0`}qpr#4^l=u$0_kuv(o6{U-0Q-<To}pho&=mR2JY?xlhm?rXid"
    "KAfz-mmOEAs(7PuXs8oMp-8(Ko`mKY8$jI66w2K#>$YZOvGb^T>g2WArzt8iJ~o~UMDO@OE`^Xy5GNZXJ|p`Bhs4hYEO"
    ">8IyUV6m$V#_hmO{uU^6tzM7v0Y7^uks)CVMSJ=jt%f-FTmuu)uLfnf%DP8AZYz#QGH1`wJvY!q8cp*?p7w%}FN16+zZ"
    "%VJYC^S*5c!Popr4oQ26f&T;11<7^T(RW!XV>2s4|Ax)Q|O;xI}lQSbK73Y>IW?5ff6*ZHsKMNSlMgqk=KJwiBqp|LNh"
    "M0_!%e!cU6c3b9fpi%>LV<}#IC40chH_4^<CeIz>%h&rc$N@9F*i${(aAiW>@z6a4+fU$ZO#ofi3Q4BQDrh-`NRTEftV"
    "BP(vBLqRy*&vcvnm*eZ^5q-PnTL(O&)FNyPUUMZ!^L^j5}KfvaiS3_#ZHX34u5?AbH2ZJ|6YG>BgjepaUGeL>fS`chIK"
    "&UzA&`-UOCE{J3~l#shzhs{U%@TmCAKG`0|yt)1}!R7O#zPPmoV~etjul||l3`~Lt$}pMs-p!MgBNCM<5^pPZPkdbR5@"
    "@zlhh~y_(y{lUIwzH(XAnvN-7&c`+Kj&^!LvQR<I`~Q_N?c-RF6=hnXlu(vCVikXGowlYY|FU${lXBhc9N7IjI4P*C}q"
    "Oi46-fPQ-@eS0BQteNXIz%iBw|F)LjaLHEp|aV(I2n44p9adq>K$$RQ4PPc6)v6hSu1$>$=8vDuvzo<Xq-RCCiikAA{r"
    "l6)4!lp#JD$H&kz2$s2r8?5lltF@@;pt9KR!WAd0J}}5G`$6gvS9<mGcSE$tO=M#VK>Nf_NfU;J(-g*stVP&!-e;Mhx("
    "PZh?4gY*atrH-IvH{ym5zrnqMH{mlB;TWTZH<&i(Xu3APaijwPGxjP@8Ei8$P=d!_GbL3FO6v<05$wjADk;2rOox#(@t"
    "eS4hHNyD|}>g0`jVlU7fm>7Gg*P{RA^P5YFcNCB2H3`!=c}^nq$-mJ0RVPxM(kCcO712Sy)GIF~;S4^c4`I@{D85X}Jt"
    "@&oW=$#0MuWR$?<@KhmyPlszarYWdgtSge{}D;Kl*DkFMe0i;BW8$m&t%kQz#21faGR|AYB%vhB}qMw+0uQAYCZfPKAE"
    "_{p(){A%qY@2=Vs*?_LXmd7sY<ITQPR<DD<J#gmh79Bs5k6)4l1#+&mJ-aXV=-<<^T?)kKS-Z$qj4%$=WayftWbna*#f"
    "Af)bJNfxt^@GE0_4U@mBR$a-du3&BWlfVy#W>x))=B{4iiS0<dq@87O1}K6?B>U1UQiLugQ;*S{h61$)dP(C4%Gj?W&Y"
    "S4v&lNxwGS(UxTEW``fFtSw>Gbw-(A(gSNF1>wksdre|U@j+uTCBUr$i_Vp4DGc(dEXz~^JslhXUUE#KQ&eOKjk*XQHm"
    "?b(?x%!aOX<^d}&LDMiEs1J)D_cLwj$gKP!bMIgO_Y?Z3p1)7{`q}tz!~d-7xghYRp7K9EUt@Smlxw~s3Hx3iw!g5Shq"
    "$}AXSXbRC`;PE{%Bs{Q~ui%HCT=f7#E9PEar3km*9}&d_7RE>7^$M_E;V3yLAtFy%hO9%l>Xtar(jdLHh4Q`jHL)Y2-t"
    "<zPG7t9{I_)#c}31;_&;r&i{LH+)&T6-$Z6QE>Rq?oEOfvpr81Pp*_lsrxWYPI?Mmes|J7geXKU5yOgKp5j%Ec9PniRX"
    "(UTmassn)`O*11WY6xLKbXlG?bFvE%cZ$`e$%e(=%wr*UKP*fIA?SHu)F_omyhDy!@HUm&+<#*-tN7*wU6vyy!(9hQXF"
    "@~cn)p&8|s%HkC`WW>F)ja)w#VKkKO6JUGqOvb9?9gU#VY;`wy<^<d5xJH1ogPkLwQmm*_;9l|jNdbrQ#Mv0!bKZ(NS;"
    "H)ScKlb3ysME;BiLILj5p9@WOclx3zf)PRpA;gc$-wGjwkp36qhsZyYe<6erzuf=(P+7rhpULn&k^muu5JHGw=KrGnr{"
    "bUAJO2w+h<_*b!}11{^8st;vAz09NH*xKpQMiIv$OELYwnp3Mvvk7uMk2AA%qY@2qA<J;;-du{#YX@B>zGPtzRLueuNN"
    "02qA=!|0{$LLI@#*5JK^z5RzY^`PcpH{)G@i2qA<JLI@#*_%0}aruh>>2qA<JLI@#*5JCtcgb+dqA%qY@2qA<JLI@#*c"
    "#{8o7|nnXLI@#*5Q;w(KL{a&5JCtcgb+fAJ5c^f2qA<JLI@!g|LOUkihqR=LI@$`|H}UpLI@#*kpCxy5JJfQ3GrLxUkL"
    "GYDHqWQYW{=}LI@$m&p{awq5Q4#$3h4pgb+dq#ZN-}e;U8P61efR{{PRP59Fp#`(`6GSwCN^=qD~FUQ+Pq-%M_K{^Hwb"
    "?ltb&vA^Se56yGg`rxwsp7Mr!S-aelzm#(CwR~I~t=v(0^Z0y!<E?QJLWo`d2X`Ygk^"
)
# fit:end
