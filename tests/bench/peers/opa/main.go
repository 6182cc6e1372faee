// Times OPA's decisions in one process: a prepared query over data that stays as OPA's own values, the input parsed beforehand.
// usage: opa_decide policy.rego data.json inputs.json, the last {"name": {"query", "input", "expect"}}; prints {"name": ns a decision}.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
)

type question struct {
	Query  string `json:"query"`
	Input  any    `json:"input"`
	Expect bool   `json:"expect"`
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func read(path string, into any) {
	text, err := os.ReadFile(path)
	check(err)
	check(json.Unmarshal(text, into))
}

// Until a fifth of a second is over.
func nanoseconds(ctx context.Context, store storage.Store, module string, q question) float64 {
	prepared, err := rego.New(rego.Query(q.Query), rego.Module("policy.rego", module), rego.Store(store)).PrepareForEval(ctx)
	check(err)
	input, err := ast.InterfaceToValue(q.Input)
	check(err)
	n := 0
	from := time.Now()
	for time.Since(from) < 200*time.Millisecond {
		for i := 0; i < 20; i++ {
			got, err := prepared.Eval(ctx, rego.EvalParsedInput(input))
			check(err)
			if got.Allowed() != q.Expect {
				check(fmt.Errorf("%s came out wrong", q.Query))
			}
			n++
		}
	}
	return float64(time.Since(from).Nanoseconds()) / float64(n)
}

func main() {
	if len(os.Args) != 4 {
		os.Exit(2)
	}
	ctx := context.Background()
	module, err := os.ReadFile(os.Args[1])
	check(err)
	var data map[string]any
	var questions map[string]question
	read(os.Args[2], &data)
	read(os.Args[3], &questions)
	store := inmem.NewFromObjectWithOpts(data, inmem.OptReturnASTValuesOnRead(true))
	took := map[string]float64{}
	for name, q := range questions {
		took[name] = nanoseconds(ctx, store, string(module), q)
	}
	check(json.NewEncoder(os.Stdout).Encode(took))
}
