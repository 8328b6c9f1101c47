// Package web serves the pages that people read.
//
// It stands at the end of the line: hub/insight ─▶ hub/web. Every page is made
// on the server and works without JavaScript: a reload shows what a live page
// shows. With it, a small script hears server-sent events and swaps parts of the
// page by parts that the server made with the same templates.
//
// A page has one file and one folder under templates: sites, site, failure.
// Templates speak through functions bound to a language, so each page exists
// once for each language and is parsed when the server is made.
//
// Nothing survives a crash because nothing is kept; a page that was open says
// "live updates paused" and goes on by itself when the hub is back. The package
// must not know SQL, MQTT, presses, or how a figure comes about: what may be
// shown is decided in hub/insight.
package web
