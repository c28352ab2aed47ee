/* Frequent words: articles, pronouns, prepositions, conjunctions, forms of to be and to have, and words that captions are full of
 * (people, animals, colours, numbers, places). Words that two of the languages share speak for both. */
#include "clean/language.h"

const pc_language_words pc_latin_languages[] = {
    {"en",
     " the of and a an in on at to for with from by is are was were be been it its this that these those his her their he she they we "
     "you i my your our as or not no but into over under near next behind beside between through during after before while who which "
     "what where when how there here has have had can will would one two three four five six some many several all both each other "
     "another more most very man woman men women people person boy girl child children baby family couple group dog cat horse bird "
     "animal car bus train boat plane bike street road city house building room kitchen table bed chair window door water beach sea "
     "mountain tree flower grass sky snow sun food plate red blue green yellow black white brown gray grey dark light small large big "
     "little old young new front back top side left right close up photo picture image view sitting standing walking riding holding "
     "wearing playing looking eating about around against hand face hair hat sign with out down off flag "
     "medium star night day book moon ",
     ""},
    {"de",
     " der die das den dem des ein eine einen einem einer eines und oder nicht kein keine ist sind war wird werden mit von vom zu zum "
     "zur auf in im aus an am bei für über unter vor nach hinter neben zwischen durch gegen ohne um als auch wie er sie es wir ihr ihre "
     "sein seine ich du mein hat haben kann sich dass wenn aber noch nur sehr mann frau leute menschen person junge mädchen kind kinder "
     "baby familie hund katze pferd vogel tier auto bus zug boot flugzeug fahrrad straße stadt haus gebäude zimmer küche tisch bett stuhl "
     "wasser strand meer berg baum blume himmel schnee sonne rot rote roter rotes blau blaue grün grüne gelb gelbe schwarz schwarze weiß "
     "weiße braun dunkle helle klein kleine groß große alt neu vorne links rechts bild foto zwei drei vier fünf steht sitzt gesicht "
     "herz mond nach hand zeichen mit ",
     "ßäöü"},
    {"fr",
     " le la les l un une des du de d et ou à au aux en dans sur sous avec sans pour par vers chez est sont était être a ont ne pas plus "
     "ce cet cette ces son sa ses leur leurs il elle ils elles nous vous je tu qui que qu quoi où comme mais très entre devant derrière "
     "homme femme hommes femmes gens personne personnes garçon fille enfant enfants bébé famille chien chat cheval oiseau animal voiture "
     "train bateau avion vélo rue ville maison bâtiment chambre cuisine table lit chaise eau plage mer montagne arbre fleur ciel neige "
     "soleil rouge bleu bleue vert verte jaune noir noire blanc blanche brun gris petit petite grand grande vieux jeune deux trois quatre "
     "cinq debout assis visage main coeur cœur lune ",
     "éèêàçœùûîïôëâ"},
    {"es",
     " el la los las un una unos unas de del y e o en con sin por para sobre bajo entre desde hasta hacia al a es son está están era ser "
     "ha han no más su sus este esta estos estas ese esa que qué quien donde cuando como pero muy se lo le me mi tu nosotros yo ella él "
     "ellos hombre mujer hombres mujeres gente persona personas niño niña niños bebé familia perro gato caballo pájaro animal coche "
     "autobús tren barco avión bicicleta calle ciudad casa edificio habitación cocina mesa cama silla agua playa mar montaña árbol flor "
     "cielo nieve sol rojo roja azul verde amarillo amarilla negro negra blanco blanca marrón gris pequeño pequeña grande viejo joven dos "
     "tres cuatro cinco sentado pie foto imagen cara mano corazón luna "
     "oscuro estrella ",
     "ñ¿¡áíóúé"},
    {"it",
     " il lo la i gli le l un uno una di del dello della dei degli delle e ed o in nel nella nei con senza per su sul sulla da dal dalla tra "
     "fra a al alla ai è sono era essere ha hanno non più suo sua suoi questo questa questi quello quella che chi dove quando come ma "
     "molto si ci mi noi io lui lei loro uomo donna uomini donne gente persona persone ragazzo ragazza bambino bambina bambini famiglia "
     "cane gatto cavallo uccello animale auto macchina autobus treno barca aereo bicicletta strada città casa edificio stanza cucina "
     "tavolo letto sedia acqua spiaggia mare montagna albero fiore cielo neve sole rosso rossa blu verde giallo gialla nero nera bianco "
     "bianca marrone grigio piccolo piccola grande vecchio giovane due tre quattro cinque foto immagine faccia mano cuore "
     "bandiera luna stella segno ",
     "òìèàù"},
    {"pt",
     " o a os as um uma uns umas de do da dos das e ou em no na nos nas num numa com sem por para pelo pela sobre sob entre desde até ao à "
     "é são está estão era ser tem têm não mais seu sua seus este esta esse essa que quem onde quando como mas muito se lhe me meu minha "
     "nós eu ele ela eles homem mulher homens mulheres pessoas pessoa menino menina criança crianças bebê família cachorro cão gato "
     "cavalo pássaro animal carro ônibus trem barco avião bicicleta rua cidade casa prédio quarto cozinha mesa cama cadeira água praia mar "
     "montanha árvore flor céu neve sol vermelho vermelha azul verde amarelo amarela preto preta branco branca marrom cinza pequeno "
     "pequena grande velho jovem dois duas três quatro cinco foto imagem rosto mão coração lua "
     "pele estrela ",
     "ãõçáéíóúâêô"},
    {"nl",
     " de het een van en of in op aan bij met zonder voor door naar uit om over onder tussen achter naast tegen is zijn was waren wordt "
     "worden heeft hebben niet geen ook maar dan als dat die dit deze wie wat waar hoe er hij zij ze we wij jij ik mijn hun haar man vrouw "
     "mensen jongen meisje kind kinderen hond kat paard vogel dier auto trein boot vliegtuig fiets straat stad huis gebouw kamer keuken "
     "tafel bed stoel water strand zee berg boom bloem lucht sneeuw zon rood rode blauw blauwe groen groene geel gele zwart zwarte wit witte "
     "klein kleine groot grote oud jong twee drie vier vijf staat zit foto gezicht hart ",
     ""},
    {"sv",
     " och i på en ett av för med till den det de som är var att inte om men från vid under över mellan bakom bredvid man kvinna människor "
     "pojke flicka barn hund katt häst fågel bil tåg båt cykel gata stad hus vatten strand hav berg träd blomma himmel snö sol röd blå grön "
     "gul svart vit liten stor två tre fyra fem sitter står har ",
     "åäö"},
    {"pl",
     " i w na z ze do od po za pod nad przed przy dla o u jest są był była być nie się to ten ta te tego jak ale czy który która mężczyzna "
     "kobieta ludzie osoba chłopiec dziewczynka dziecko dzieci pies kot koń ptak samochód pociąg łódź rower ulica miasto dom woda plaża morze "
     "góra drzewo kwiat niebo śnieg słońce czerwony niebieski zielony żółty czarny biały mały duży dwa trzy ",
     "łżźśńąęć"},
    {"tr",
     " ve bir bu şu o ile için de da gibi çok daha en ne var yok değil mi üzerinde içinde yanında önünde arkasında adam kadın insanlar kişi "
     "çocuk bebek köpek kedi at kuş araba otobüs tren tekne uçak sokak şehir ev masa su plaj deniz dağ ağaç çiçek gökyüzü kar güneş kırmızı "
     "mavi yeşil sarı siyah beyaz küçük büyük iki üç ",
     "ğşıİ"},
    {"id",
     " dan yang di ke dari untuk dengan pada adalah ini itu tidak ada sebuah seorang seekor oleh dalam atas bawah depan belakang samping "
     "antara pria wanita orang anak laki perempuan anjing kucing kuda burung mobil kereta kapal pesawat sepeda jalan kota rumah meja air "
     "pantai laut gunung pohon bunga langit salju matahari merah biru hijau kuning hitam putih kecil besar dua tiga ",
     ""},
    {"vi", " và của một các có là trong trên với người đàn ông phụ nữ cái con không được đang cho ở những này ", "ăđơưạảấầẩẫậắằẳẵặẹẻẽềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ"},
};
const size_t pc_latin_language_count = sizeof pc_latin_languages / sizeof pc_latin_languages[0];
