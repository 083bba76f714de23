package jinja

// expr is an expression, stmt a statement of a template.
type (
	expr interface {
		eval(in *interp, s *scope) any
	}
	stmt interface {
		exec(in *interp, s *scope) control
	}
)

// control is how a statement ended.
type control uint8

const (
	controlNone control = iota
	controlBreak
	controlContinue
)

// Expressions. A line is where an error is reported.
type (
	constant  struct{ value any }
	name      struct{ name string }
	listExpr  struct{ items []expr }
	tupleExpr struct{ items []expr }
	dictExpr  struct{ keys, values []expr }
	unaryExpr struct {
		op   byte // + or -
		x    expr
		line int
	}
	notExpr    struct{ x expr }
	binaryExpr struct {
		op   string // + - * / // % **
		x, y expr
		line int
	}
	logicExpr struct {
		and  bool
		x, y expr
	}
	concatExpr struct {
		parts []expr
		line  int
	}
	compareExpr struct {
		first expr
		ops   []string // == != < <= > >= in notin
		rest  []expr
		line  int
	}
	condExpr struct {
		test, then, otherwise expr // otherwise may be nil
		line                  int
	}
	attrExpr struct {
		x    expr
		name string
		line int
	}
	itemExpr struct {
		x, key expr
		line   int
	}
	sliceExpr struct {
		x                 expr // what is sliced; nil within a tuple of subscripts
		start, stop, step expr // each may be nil
		line              int
	}
	arguments struct {
		positional []expr
		names      []string
		named      []expr
		list, dict expr // f(*list, **dict); each may be nil
	}
	callExpr struct {
		f    expr
		args arguments
		line int
	}
	filterExpr struct {
		x    expr // nil in a filter block
		name string
		f    *builtin // nil if there is none of that name
		args arguments
		line int
	}
	testExpr struct {
		x      expr
		name   string
		f      *builtin
		args   arguments
		negate bool
		line   int
	}
)

// target is what is assigned to: a name, an attribute of a namespace, or
// several of them.
type target struct {
	name  string
	attr  string // of the namespace name
	parts []target
	tuple bool
	line  int
}

// Statements.
type (
	textStmt   struct{ text string }
	outputStmt struct {
		x    expr
		line int
	}
	ifStmt struct {
		tests  []expr
		bodies [][]stmt
		other  []stmt
	}
	forStmt struct {
		target    target
		iterable  expr
		test      expr // may be nil
		recursive bool
		body      []stmt
		other     []stmt
		line      int
	}
	setStmt struct {
		target target
		value  expr
	}
	setBlock struct {
		target target
		filter *filterExpr // may be nil
		body   []stmt
	}
	macroDef struct {
		name     string
		params   []string
		defaults []expr // of the last parameters
		body     []stmt
		// Whether the body uses these names, which it does not define.
		varargs, kwargs, caller bool
		line                    int
	}
	callBlock struct {
		call  *callExpr
		macro *macroDef
	}
	filterBlock struct {
		filter *filterExpr
		body   []stmt
	}
	withStmt struct {
		targets []target
		values  []expr
		body    []stmt
	}
	scopeStmt  struct{ body []stmt } // generation
	escapeStmt struct {
		on   expr
		body []stmt
		line int
	}
	blockStmt struct {
		name     string
		scoped   bool
		required bool
		body     []stmt
		line     int
	}
	controlStmt     struct{ control control }
	unsupportedStmt struct {
		what string
		line int
	}
)
