package main

import (
	goruntime "runtime"
	"sync"

	"st/runtime"
)

// letRead lets the threads on which reads return have processors besides those that compute.
func letRead(m *runtime.Model) {
	if m.Memory().Budget > 0 && m.ReadMethod() == runtime.ReadByThreads {
		letReadBeside(m.Threads())
	}
}

// letReadBeside is letRead for so many threads that compute. Models of a server call it at the same time.
func letReadBeside(threads int) {
	processors.Lock()
	defer processors.Unlock()
	goruntime.GOMAXPROCS(max(goruntime.GOMAXPROCS(0), threads+runtime.ReadThreads))
}

// processors is held while GOMAXPROCS changes.
var processors sync.Mutex
