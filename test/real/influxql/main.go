// Command influxql says what InfluxDB's own parser makes of queries.
//
// With -strings FILE..., it prints the string literals of Go files, as a JSON array of strings.
// Otherwise it reads one JSON object a line, {"text", "database", "parameters", "now", "latest"}, and
// prints one for each: {"statements": [...]} or {"error": "..."}.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/influxdata/influxql"
)

// Input is a line of input.
type Input struct {
	Text       string                 `json:"text"`
	Database   string                 `json:"database"`
	Parameters map[string]interface{} `json:"parameters"`
	// Now is the moment of execution, in RFC 3339.
	Now string `json:"now"`
	// Latest is the end of a statement's time range if it names none; empty if there is no end.
	Latest string `json:"latest"`
}

// Output is a line of output.
type Output struct {
	Error      string      `json:"error,omitempty"`
	Statements []Statement `json:"statements,omitempty"`
}

// Position is zero-based; Char counts code points, and a CR LF as one.
type Position [2]int

// Statement is what the AST says.
type Statement struct {
	Kind       string   `json:"kind"`
	Changes    bool     `json:"changes"`
	Reads      []string `json:"readsDatabases"`
	Changed    []string `json:"changesDatabases"`
	Start      Position `json:"start"`
	Terminator Position `json:"terminator"`
	// Ranges are what it selects or deletes if it is executed now; for DELETE and SELECT INTO only.
	Ranges []string `json:"ranges,omitempty"`
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "-strings" {
		printStrings(os.Args[2:])
		return
	}
	in := bufio.NewReaderSize(os.Stdin, 1<<16)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	encoder := json.NewEncoder(out)
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			check(encoder.Encode(describe(line)))
		}
		if err != nil {
			return
		}
	}
}

func printStrings(files []string) {
	literals := []string{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		check(err)
		ast.Inspect(file, func(node ast.Node) bool {
			if literal, ok := node.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				value, err := strconv.Unquote(literal.Value)
				check(err)
				literals = append(literals, value)
			}
			return true
		})
	}
	check(json.NewEncoder(os.Stdout).Encode(literals))
}

func describe(line []byte) Output {
	var input Input
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber()
	check(decoder.Decode(&input))
	p := influxql.NewParser(strings.NewReader(input.Text))
	p.SetParams(input.Parameters)
	statements := []Statement{}
	// This is the loop of Parser.ParseQuery, with positions.
	semicolon := true
	for {
		tok, pos, _ := p.ScanIgnoreWhitespace()
		if !semicolon {
			statements[len(statements)-1].Terminator = Position{pos.Line, pos.Char}
		}
		if tok == influxql.EOF {
			return Output{Statements: statements}
		} else if tok == influxql.SEMICOLON {
			semicolon = true
			continue
		} else if !semicolon {
			return Output{Error: "no semicolon"}
		}
		p.Unscan()
		stmt, err := p.ParseStatement()
		if err != nil {
			return Output{Error: err.Error()}
		}
		semicolon = false
		s := input.describe(stmt)
		s.Start = Position{pos.Line, pos.Char}
		statements = append(statements, s)
	}
}

// describe says what a statement is. It panics on a type that it does not know.
func (input Input) describe(stmt influxql.Statement) Statement {
	read := func(kind string, on string, sources influxql.Sources) Statement {
		return Statement{Kind: kind, Reads: input.databases(on, sources), Changed: []string{}}
	}
	change := func(kind string, databases ...string) Statement {
		return Statement{Kind: kind, Changes: true, Reads: []string{}, Changed: databases}
	}
	server := func(kind string) Statement {
		return Statement{Kind: kind, Reads: []string{}, Changed: []string{}}
	}
	changeOfServer := func(kind string) Statement {
		s := server(kind)
		s.Changes = true
		return s
	}
	switch s := stmt.(type) {
	case *influxql.AlterRetentionPolicyStatement:
		return change("ALTER RETENTION POLICY", s.Database)
	case *influxql.CreateContinuousQueryStatement:
		return change("CREATE CONTINUOUS QUERY", s.Database)
	case *influxql.CreateDatabaseStatement:
		return change("CREATE DATABASE", s.Name)
	case *influxql.CreateRetentionPolicyStatement:
		return change("CREATE RETENTION POLICY", s.Database)
	case *influxql.CreateSubscriptionStatement:
		return change("CREATE SUBSCRIPTION", s.Database)
	case *influxql.CreateUserStatement:
		return changeOfServer("CREATE USER")
	case *influxql.DeleteSeriesStatement:
		d := change("DELETE", input.databases("", s.Sources)...)
		d.Ranges = []string{input.timeRange(s.Condition, nil, false, true), s.Sources.String()}
		return d
	case *influxql.DropContinuousQueryStatement:
		return change("DROP CONTINUOUS QUERY", s.Database)
	case *influxql.DropDatabaseStatement:
		return change("DROP DATABASE", s.Name)
	case *influxql.DropMeasurementStatement:
		return change("DROP MEASUREMENT", input.Database)
	case *influxql.DropRetentionPolicyStatement:
		return change("DROP RETENTION POLICY", s.Database)
	case *influxql.DropSeriesStatement:
		return change("DROP SERIES", input.databases("", s.Sources)...)
	case *influxql.DropShardStatement:
		return changeOfServer("DROP SHARD")
	case *influxql.DropSubscriptionStatement:
		return change("DROP SUBSCRIPTION", s.Database)
	case *influxql.DropUserStatement:
		return changeOfServer("DROP USER")
	case *influxql.ExplainStatement:
		kind := "EXPLAIN SELECT"
		if s.Analyze {
			kind = "EXPLAIN ANALYZE SELECT"
		}
		return read(kind, "", s.Statement.Sources)
	case *influxql.GrantStatement:
		return change("GRANT", s.On)
	case *influxql.GrantAdminStatement:
		return changeOfServer("GRANT")
	case *influxql.KillQueryStatement:
		return changeOfServer("KILL QUERY")
	case *influxql.RevokeStatement:
		return change("REVOKE", s.On)
	case *influxql.RevokeAdminStatement:
		return changeOfServer("REVOKE")
	case *influxql.SelectStatement:
		selected := read("SELECT", "", s.Sources)
		if s.Target != nil {
			selected.Kind = "SELECT INTO"
			selected.Changes = true
			target := s.Target.Measurement.Database
			if target == "" {
				target = input.Database
			}
			selected.Changed = []string{target}
			selected.Ranges = append(input.timeRanges(s, true), withoutConditions(s))
		}
		return selected
	case *influxql.SetPasswordUserStatement:
		return changeOfServer("SET PASSWORD FOR")
	case *influxql.ShowContinuousQueriesStatement:
		return server("SHOW CONTINUOUS QUERIES")
	case *influxql.ShowDatabasesStatement:
		return server("SHOW DATABASES")
	case *influxql.ShowDiagnosticsStatement:
		return server("SHOW DIAGNOSTICS")
	case *influxql.ShowFieldKeyCardinalityStatement:
		return read("SHOW FIELD KEY", s.Database, s.Sources)
	case *influxql.ShowFieldKeysStatement:
		return read("SHOW FIELD KEYS", s.Database, s.Sources)
	case *influxql.ShowGrantsForUserStatement:
		return server("SHOW GRANTS FOR")
	case *influxql.ShowMeasurementCardinalityStatement:
		return read("SHOW MEASUREMENT", s.Database, s.Sources)
	case *influxql.ShowMeasurementsStatement:
		var sources influxql.Sources
		if s.Source != nil {
			sources = append(sources, s.Source)
		}
		return read("SHOW MEASUREMENTS", s.Database, sources)
	case *influxql.ShowQueriesStatement:
		return server("SHOW QUERIES")
	case *influxql.ShowRetentionPoliciesStatement:
		return read("SHOW RETENTION POLICIES", s.Database, nil)
	case *influxql.ShowSeriesStatement:
		return read("SHOW SERIES", s.Database, s.Sources)
	case *influxql.ShowSeriesCardinalityStatement:
		return read("SHOW SERIES", s.Database, s.Sources)
	case *influxql.ShowShardGroupsStatement:
		return server("SHOW SHARD GROUPS")
	case *influxql.ShowShardsStatement:
		return server("SHOW SHARDS")
	case *influxql.ShowStatsStatement:
		return server("SHOW STATS")
	case *influxql.ShowSubscriptionsStatement:
		return server("SHOW SUBSCRIPTIONS")
	case *influxql.ShowTagKeyCardinalityStatement:
		return read("SHOW TAG KEY", s.Database, s.Sources)
	case *influxql.ShowTagKeysStatement:
		return read("SHOW TAG KEYS", s.Database, s.Sources)
	case *influxql.ShowTagValuesStatement:
		return read("SHOW TAG VALUES", s.Database, s.Sources)
	case *influxql.ShowTagValuesCardinalityStatement:
		return read("SHOW TAG VALUES", s.Database, s.Sources)
	case *influxql.ShowUsersStatement:
		return server("SHOW USERS")
	}
	panic(fmt.Sprintf("unknown statement type %T", stmt))
}

// databases are those that a statement is about: of its sources, in subqueries too, and of ON.
func (input Input) databases(on string, sources influxql.Sources) []string {
	found := map[string]bool{}
	other := input.Database
	if on != "" {
		other = on
		found[on] = true
	}
	if len(sources) == 0 {
		found[other] = true
	}
	influxql.WalkFunc(sources, func(node influxql.Node) {
		m, ok := node.(*influxql.Measurement)
		if !ok || m.IsTarget {
			return
		} else if m.Database != "" {
			found[m.Database] = true
		} else {
			found[other] = true
		}
	})
	names := []string{}
	for name := range found {
		if name != "" {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names
}

// timeRanges are those of a SELECT and of its subqueries. As in InfluxDB's query compiler, a time
// range without an end is one until now if there is a GROUP BY time.
func (input Input) timeRanges(s *influxql.SelectStatement, isOutermost bool) []string {
	interval, err := s.GroupByInterval()
	isGrouped := err == nil && interval > 0
	ranges := []string{input.timeRange(s.Condition, s.Location, isGrouped, isOutermost)}
	for _, d := range s.Dimensions {
		ranges = append(ranges, "by "+input.dimensionText(d.Expr, interval))
	}
	for _, source := range s.Sources {
		if sub, ok := source.(*influxql.SubQuery); ok {
			ranges = append(ranges, input.timeRanges(sub.Statement, false)...)
		}
	}
	return ranges
}

func (input Input) timeRange(condition influxql.Expr, loc *time.Location, isGrouped, isOutermost bool) string {
	now := input.time(input.Now)
	expr, times, err := influxql.ConditionExpr(condition, &influxql.NowValuer{Now: now, Location: loc})
	if err != nil {
		return "error " + err.Error()
	}
	if times.Max.IsZero() && isGrouped {
		times.Max = now
	} else if times.Max.IsZero() && isOutermost && input.Latest != "" {
		times.Max = input.time(input.Latest)
	}
	return fmt.Sprintf("%v from %d to %d", expr, times.MinTimeNano(), times.MaxTimeNano())
}

// dimensionText is a dimension with the offset that InfluxDB's query compiler finds for now().
func (input Input) dimensionText(expr influxql.Expr, interval time.Duration) string {
	if call, ok := expr.(*influxql.Call); ok && call.Name == "time" && len(call.Args) == 2 && interval > 0 {
		if now, ok := call.Args[1].(*influxql.Call); ok && now.Name == "now" && len(now.Args) == 0 {
			now := input.time(input.Now)
			return fmt.Sprintf("time(%s, %d)", call.Args[0], now.Sub(now.Truncate(interval)))
		} else if offset, ok := call.Args[1].(*influxql.DurationLiteral); ok {
			return fmt.Sprintf("time(%s, %d)", call.Args[0], offset.Val%interval)
		}
	}
	return expr.String()
}

func (input Input) time(text string) time.Time {
	value, err := time.Parse(time.RFC3339Nano, text)
	check(err)
	return value.UTC()
}

// withoutConditions is a statement's text without conditions and dimensions, in subqueries too.
func withoutConditions(s *influxql.SelectStatement) string {
	clone := s.Clone()
	influxql.WalkFunc(clone, func(node influxql.Node) {
		if s, ok := node.(*influxql.SelectStatement); ok {
			s.Condition = nil
			s.Dimensions = nil
		}
	})
	return clone.String()
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
