package jsonschema

import "fmt"

// Networks are written with an address whose bits beyond the prefix are zero, for Python takes no other.
const (
	network4Expr = octetExpr + `(?:\.0\.0\.0/8|\.` + octetExpr + `(?:\.0\.0/16|\.` + octetExpr + `(?:\.0/24|\.` + octetExpr + `/32)))`
	network6Expr = groupExpr + `:` + groupExpr + `(?:::/32|:` + groupExpr + `(?:::/48|:` + groupExpr + `::/64))`
	prefix4Expr  = `/(?:3[0-2]|[12]?\d)`
	prefix6Expr  = `/(?:12[0-8]|1[01]\d|[1-9]?\d)`
	base64Expr   = `(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?`
	pathExpr     = `[^\x00-\x1F]+`
	pointerExpr  = `(?:/(?:[A-Za-z0-9._-]|~[01])*)*`
)

// libraryFormats are those that pydantic, zod and OpenAPI name besides the standard's, and those of the standard that others have within them.
var libraryFormats = map[string]*format{
	"uuid1": {expr: uuidExpr(1)}, "uuid3": {expr: uuidExpr(3)}, "uuid4": {expr: uuidExpr(4)}, "uuid5": {expr: uuidExpr(5)},
	"uuid6": {expr: uuidExpr(6)}, "uuid7": {expr: uuidExpr(7)}, "uuid8": {expr: uuidExpr(8)}, "guid": formats["uuid"],

	"path": {expr: pathExpr}, "file-path": {expr: pathExpr}, "directory-path": {expr: pathExpr},
	"ipv4network": {expr: network4Expr}, "ipv6network": {expr: network6Expr}, "ipvanynetwork": {expr: network4Expr + "|" + network6Expr},
	"ipv4interface": {expr: ipv4Expr + "(?:" + prefix4Expr + ")?"}, "ipv6interface": {expr: interface6Expr("?")},
	"ipvanyinterface": {expr: ipv4Expr + "(?:" + prefix4Expr + ")?|" + interface6Expr("?")},
	"ipvanyaddress":   {expr: ipv4Expr + "|" + ipv6Expr()},
	"cidrv4":          {expr: ipv4Expr + prefix4Expr}, "cidrv6": {expr: interface6Expr("")},

	"binary": {}, "unix-time": {}, // any text, any number
	"int8": {}, "int16": {}, "int": {}, "uint8": {}, "uint16": {}, "uint32": {}, "uint64": {}, "uint": {}, // of numbers: see integerFormats

	// base64url has no = at the end, which some readers want and others refuse.
	"base64": {expr: base64Expr}, "byte": {expr: base64Expr}, "base64url": {expr: `(?:[A-Za-z0-9_-]{4})*`}, "hex": {expr: `(?:[0-9a-fA-F]{2})*`},

	"nanoid": {expr: `[a-zA-Z0-9_-]{21}`}, "cuid": {expr: `c[0-9a-z]{24}`}, "cuid2": {expr: `[a-z][0-9a-z]{23}`}, "ulid": {expr: `[0-7][0-9A-HJKMNP-TV-Z]{25}`},
	"xid": {expr: `[0-9a-v]{20}`}, "ksuid": {expr: `[A-Za-z0-9]{27}`}, "e164": {expr: `\+[1-9]\d{6,14}`},
	// The header is the one that readers look into: {"alg":"HS256","typ":"JWT"}.
	"jwt": {expr: `eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9\.(?:[A-Za-z0-9_-]{4})+\.[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]`},
	"mac": {expr: `(?:[0-9A-F]{2}:){5}[0-9A-F]{2}|(?:[0-9a-f]{2}:){5}[0-9a-f]{2}`},

	"url":           {expr: `https?://` + hostExpr + `(?::[1-9]\d{1,3})?(?:/[A-Za-z0-9._~!$&'()*+,;=:@/?-]*)?`},
	"uri-reference": formats["uri"], "uri-template": formats["uri"], "iri": formats["uri"], "iri-reference": formats["uri"],
	"multi-host-uri": formats["uri"], "idn-email": formats["email"], "idn-hostname": formats["hostname"],
	"json-pointer": {expr: pointerExpr}, "relative-json-pointer": {expr: `(?:0|[1-9]\d{0,3})(?:#|` + pointerExpr + `)`},
}

// uuidExpr is RFC 9562's form of a version.
func uuidExpr(version int) string {
	return fmt.Sprintf(`[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-%d[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}`, version)
}

// interface6Expr is addresses with a prefix; often is how often it comes.
func interface6Expr(often string) string {
	return "(?:" + ipv6Expr() + ")(?:" + prefix6Expr + ")" + often
}
