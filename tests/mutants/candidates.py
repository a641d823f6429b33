"""Candidates: every small mistake that one token or one statement of a C source can have.

`candidates(source)` lists them in the order of the text. The sources are formatted (a binary operator has a space on each side, a unary one has
none), so tokens are enough to know what is what; what does not compile in the end says so itself.
"""
import collections
import re

# Lines do not move: a statement that goes leaves its line ends. `change` is what happened, told within its line; `line` is that line's text.
Candidate = collections.namedtuple("Candidate", "begin end new number line change")
Token = collections.namedtuple("Token", "kind text begin end")

TOKEN = re.compile(r"""
    (?P<skip>\s+|//[^\n]*|/\*.*?\*/|^\#(?:\\\n|[^\n])*)
  | (?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
  | (?P<number>0[xX][0-9a-fA-F.]+(?:[pP][+-]?\d+)?[uUlLfF]*|\d+\.?\d*(?:[eE][+-]?\d+)?[uUlLfF]*|\.\d+(?:[eE][+-]?\d+)?[fF]?)
  | (?P<name>[A-Za-z_]\w*)
  | (?P<sign><<=|>>=|\.\.\.|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|.)
""", re.VERBOSE | re.DOTALL | re.MULTILINE)

BINARY = {"+": "-", "-": "+", "*": "/", "/": "*", "%": "*", "<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==",
          "&&": "||", "||": "&&", "<<": ">>", ">>": "<<", "&": "|", "|": "&", "^": "&"}
ASSIGNMENT = {"+=": "-=", "-=": "+=", "*=": "/=", "/=": "*=", "|=": "&=", "&=": "|=", "^=": "|=", "<<=": ">>=", ">>=": "<<="}
NAMES = {"MIN": "MAX", "MAX": "MIN", "true": "false", "false": "true", "v_least": "v_most", "v_most": "v_least"}
ZERO_AND_ONE = {"0": "1", "1": "0"}
LEAVES = ("break", "continue", "return", "goto")


def tokens_of(source):
    return [Token(m.lastgroup, m.group(), m.start(), m.end()) for m in TOKEN.finditer(source) if m.lastgroup != "skip"]


def partners(tokens):
    """{where a bracket opens: where it closes}, and the other way round."""
    found, open_ones = {}, []
    for i, token in enumerate(tokens):
        if token.text in "([{" and token.kind == "sign":
            open_ones.append(i)
        elif token.text in ")]}" and token.kind == "sign" and open_ones:
            found[i] = open_ones.pop()
            found[found[i]] = i
    return found


def changed_tokens(source, tokens):
    """(token, what it becomes) of operators, constants and names."""
    for before, token in zip([None, *tokens], tokens):
        spaced = source[token.begin - 1].isspace() and source[token.end:token.end + 1].isspace()
        if token.kind == "name" and token.text in NAMES:
            yield token, NAMES[token.text]
        elif token.kind == "number":
            yield token, ZERO_AND_ONE.get(token.text, f"({token.text} + 1)")
            if token.text not in ZERO_AND_ONE:
                yield token, f"({token.text} - 1)"
        elif token.text in ASSIGNMENT:
            yield token, ASSIGNMENT[token.text]
        elif token.text in BINARY and spaced:
            yield token, BINARY[token.text]
        elif token.text == "!" or token.text == "-" and before.text not in (")", "]"):
            yield token, ""
        elif token.text in ("++", "--"):
            yield token, "--" if token.text == "++" else "++"


def negated(source, tokens, closes):
    """(begin, end, text) of conditions."""
    for i, token in enumerate(tokens[:-1]):
        if token.kind == "name" and token.text in ("if", "while") and tokens[i + 1].text == "(":
            begin, end = tokens[i + 1].end, tokens[closes[i + 1]].begin
            yield begin, end, f"!({source[begin:end]})"


def bodies(tokens, closes):
    """Which tokens are within the braces behind a function's head."""
    return {k for i, token in enumerate(tokens) if token.text == "{" and tokens[i - 1].text == ")" for k in range(i + 1, closes[i])}


def begins_statement(tokens, i, closes):
    before = tokens[i - 1].text
    if before == ")":  # of if, for, while, or of a macro that stands for one
        head = tokens[closes[i - 1] - 1] if i - 1 in closes else None
        return head is not None and (head.text in ("if", "for", "while") or head.text.isupper() and head.text != "TRY")
    return before in (";", "{", "}", "else")


def statement_end(tokens, i, closes):
    """The semicolon of a statement without a body of its own, or None."""
    while tokens[i].text != ";":
        if tokens[i].text in ("{", "}", ")"):
            return None
        i = closes[i] + 1 if tokens[i].text in ("(", "[") else i + 1
    return i


def is_declaration(tokens, i):
    """`type name`, `type *name`: two names, with no more than stars between them."""
    first, k = tokens[i], i + 1
    while tokens[k].text == "*":
        k += 1
    return first.kind == "name" and first.text not in LEAVES and tokens[k].kind == "name"


def statements(tokens, closes):
    """(first token, semicolon) of statements that can go and leave a program: assignments, calls, and leaving under a condition."""
    inside, depth = bodies(tokens, closes), 0
    for i, token in enumerate(tokens):
        depth += (token.text == "(") - (token.text == ")")
        if depth or i not in inside or not begins_statement(tokens, i, closes) or token.kind == "text" or token.text in "{};":
            continue
        if token.text in ("if", "for", "while", "else", "do", "switch", "case", "default", "static", "const", "struct"):
            continue
        if token.text in LEAVES and tokens[i - 1].text not in (")", "else"):
            continue  # the last return of a function: what compiles without it does anything
        end = statement_end(tokens, i, closes)
        if end and not is_declaration(tokens, i):
            yield token, tokens[end]


def candidates(source):
    tokens = tokens_of(source)
    closes = partners(tokens)
    lines, starts, found = source.splitlines(), [0], []
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    def add(begin, end, new, change):
        number = next(n for n in range(len(lines)) if starts[n + 1] > begin)
        found.append(Candidate(begin, end, new, number + 1, lines[number].strip(), change))

    for token, new in changed_tokens(source, tokens):
        add(token.begin, token.end, new, f"{token.text} becomes {new or 'nothing'}")
    for begin, end, new in negated(source, tokens, closes):
        add(begin, end, new, "condition negated")
    for first, last in statements(tokens, closes):
        gone = source[first.begin:last.end]
        add(first.begin, last.end, ";" + "\n" * gone.count("\n"), "statement dropped")
    return numbered(sorted(found))


def numbered(found):
    """A change that a line can have twice says which it is."""
    seen, told = collections.Counter(), []
    for one in found:
        seen[one.number, one.change] += 1
        nth = seen[one.number, one.change]
        told.append(one if nth == 1 else one._replace(change=f"{one.change} ({nth})"))
    return told
