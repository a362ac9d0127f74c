"""
The console: pages for people who would rather look than read.

    a request ─▶ doors (who may come in, what an error looks like) ─▶ a page's route ─▶ pages (Jinja) ─▶ HTML

Every page is whole without JavaScript: links, and forms that answer with 303. The script adds what only
a script can: pictures that appear by themselves, the slider, a zoom. Rows and rules are elsewhere; what a
page may change goes through the producer, like everything else.
"""
