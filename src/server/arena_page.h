/* The page that arena.c serves; %s is its token. Internal to server/. */
#ifndef PC_SERVER_ARENA_PAGE_H
#define PC_SERVER_ARENA_PAGE_H

static const char pc_arena_html[] =
    "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>percept arena</title><style>\n"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:1000px;margin:1.5em auto;padding:0 1em;color:#222;background:#fff}\n"
    "img{max-width:100%%;min-width:160px;max-height:360px;image-rendering:pixelated}#both{display:flex;gap:1em}\n"
    "#both div{flex:1;border:1px solid #ccc;border-radius:6px;padding:.8em;white-space:pre-wrap;overflow-wrap:anywhere}\n"
    "button{font:inherit;padding:.5em 1em;margin:.8em .5em 0 0;border:1px solid #888;border-radius:6px;background:#f4f4f4;cursor:pointer}\n"
    "button:focus,button:hover{background:#dde8f5}table{border-collapse:collapse}td,th{border:1px solid #ddd;padding:.3em .8em;text-align:left}\n"
    "small{color:#666}#question{font-weight:600;white-space:pre-wrap}\n"
    "</style></head><body><h1>Which answer is better?</h1><small id=\"count\"></small>\n"
    "<p id=\"question\"></p><p><img id=\"image\" alt=\"the picture in question\" hidden></p>\n"
    "<div id=\"both\"><div id=\"left\"></div><div id=\"right\"></div></div>\n"
    "<p id=\"votes\"><button data-c=\"left\">Left (&larr;)</button><button data-c=\"tie\">Equal (space)</button>"
    "<button data-c=\"right\">Right (&rarr;)</button></p>\n"
    "<p><button id=\"show\">Ratings</button></p><div id=\"ratings\"></div>\n<script>\n"
    "const token='%s';let pair=-1;const by=id=>document.getElementById(id);\n"
    "async function next(){const r=await(await fetch('/next')).json();pair=r.pair;by('count').textContent=r.voted+' of '+r.pairs+' voted';\n"
    "const over=pair<0;by('votes').hidden=over;by('both').hidden=over;by('question').textContent=over?'No pair is left. Thank you.':r.question;\n"
    "by('image').hidden=over||!r.image;if(!over){if(r.image)by('image').src=r.image;by('left').textContent=r.left;by('right').textContent=r.right}}\n"
    "async function vote(choice){if(pair<0)return;const p=pair;pair=-1;await fetch('/vote',{method:'POST',headers:{'Content-Type':"
    "'application/json'},body:JSON.stringify({token,pair:p,choice})});next()}\n"
    "document.querySelectorAll('#votes button').forEach(b=>b.onclick=()=>vote(b.dataset.c));\n"
    "addEventListener('keydown',e=>{const c={ArrowLeft:'left',ArrowRight:'right',' ':'tie'}[e.key];if(c){e.preventDefault();vote(c)}});\n"
    "by('show').onclick=async()=>{const r=await(await fetch('/ratings')).json();const t=document.createElement('table');\n"
    "const row=(cells,tag)=>{const tr=t.insertRow();for(const c of cells){const td=document.createElement(tag);td.textContent=c;tr.append(td)}};\n"
    "row(['model','Elo','Bradley-Terry','95 %% interval'],'th');const f=x=>x==null?'':x.toFixed(0);\n"
    "for(const m of r.models||[])row([m.name,f(m.elo),f(m.rating),f(m.low)+' to '+f(m.high)],'td');\n"
    "by('ratings').replaceChildren(t)};\nnext();\n</script></body></html>\n";

#endif
