// Package schematest makes random JSON Schemas of the keywords that package jsonschema follows, for property tests: what is written for a
// schema must validate against it.
//
//	schema := schematest.Random(rand.New(rand.NewPCG(1, 2))) // the same source gives the same schema
package schematest
