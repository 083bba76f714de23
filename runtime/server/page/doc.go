// Package page is the web page of a server: a chat, and a view of a model's experts at work. It is plain HTML, CSS and JavaScript modules, embedded
// in the program, and asks for nothing from elsewhere.
//
//	mux.Handle("GET /{$}", page.Handler())
//	mux.Handle("GET /page/", page.Handler())
//
// # Where things are
//
// assets/index.html has the page's frame; everything that moves is in assets/js:
//
//   - main.js starts the page, and controller.js does what people ask for: send, stop, regenerate, edit.
//   - conversation.js is a conversation as data: a tree of messages, of which one path is shown. store.js keeps conversations in the browser's
//     IndexedDB, and transfer.js reads and writes them as JSON.
//   - api.js talks to the server: keys, errors, server-sent events. It uses OpenAI's API, and /api/experts/events.
//   - messages.js, composer.js, sidebar.js, settings.js, dialogs.js and shortcuts.js are the parts of the page that their names say.
//   - markdown.js turns an answer into elements. Text of a model is never trusted: DOMPurify removes what could run, and the page's
//     Content-Security-Policy, which [Handler] sets, keeps scripts and images of others out.
//   - experts.js and grid.js show the experts.
//
// assets/vendor has the libraries; its README.md names their versions and licences.
package page
