// Go as a witness for tests, by its crypto/tls and crypto/x509. The first argument names what is asked: "chains", "issued", "lists"
// or "requests".
//
// Questions come as JSON, one a line, on standard input; each is answered by one line on standard output, in order.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
)

// refusal holds Go's words of refusal; there are none where it accepts.
type refusal struct {
	Words string `json:"words"`
}

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(what string) error {
	switch what {
	case "chains":
		asker, err := newAsker()
		if err != nil {
			return err
		}
		return answerAll(judge(asker))
	case "issued":
		return answerAll(func(asked issuedQuestion) issuedAnswer {
			given, err := readIssued(asked)
			if err != nil {
				given.Words = err.Error()
			}
			return given
		})
	case "lists":
		return answerAll(checkCRL)
	case "requests":
		return answerAll(func(asked requestQuestion) requestAnswer {
			given, err := answerRequest(asked)
			if err != nil {
				given.Words = err.Error()
			}
			return given
		})
	}
	return fmt.Errorf("nothing is called %q", what)
}

func answerAll[Q, A any](reply func(Q) A) error {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked Q
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			return err
		}
		if err := out.Encode(reply(asked)); err != nil {
			return err
		}
	}
	return lines.Err()
}
