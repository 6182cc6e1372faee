#!/bin/sh
# The house rules that a script can check: include direction, banned calls, test pairing, files that the docs name.
set -u
cd "$(dirname "$0")/../.." || exit 2
bad=0
complain() { printf '%s\n' "$1"; bad=1; }

# A room includes its own headers and include/embergate/; nothing reaches into another room. core/ includes nobody.
for room in core policies audit storage compute gateway cli; do
  others=$(printf '%s\n' core policies audit storage compute gateway cli | grep -vx "$room" | paste -sd'|')
  hits=$(grep -rnE "#include \"(\.\./)*($others)/" "$room" --include='*.[ch]')
  [ -z "$hits" ] || complain "include direction (go through include/embergate/):
$hits"
done

# Calls without a bound, with hidden state, or through a shell.
hits=$(grep -rnE '\b(strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|strtok|system|popen|tmpnam|mktemp|rand|alloca)[[:space:]]*\(' \
  core policies audit storage compute gateway cli include --include='*.[ch]')
[ -z "$hits" ] || complain "banned calls:
$hits"

# Library files return, they don't log.
hits=$(grep -rlE '\beg_log(_problem)?\(' core policies audit storage compute cli --include='*.c' | grep -vE '^core/log\.c$')
[ -z "$hits" ] || complain "library files that log (only main, the pipeline and process loops do):
$hits"

# foo.c has a test that names it: tests/unit/ROOM/test_foo.c, or a test that covers it by a line `covers: foo.c`.
for f in $(git ls-files 'core/*.c' 'policies/*.c' 'audit/*.c' 'storage/*.c' 'compute/*.c' 'gateway/*.c' 'cli/*.c'); do
  room=${f%%/*}; name=$(basename "$f" .c)
  [ -f "tests/unit/$room/test_$name.c" ] && continue
  grep -rqsE "covers:.*\b$name\.c\b" tests/unit tests/scenario tests/conformance && continue
  complain "no test names $f (tests/unit/$room/test_$name.c, or 'covers: $name.c' in the test that does)"
done

# Every file opens with what it is for.
for f in $(git ls-files '*.c' '*.h' | grep -v '^tests/'); do
  head -c 3 "$f" | grep -q '^/\* \|^/\*$' || complain "no opening sentence: $f"
done

# What the docs name exists.
for doc in README.md $(git ls-files 'docs/*.md'); do
  [ -f "$doc" ] || continue
  for named in $(grep -oE '`(core|policies|audit|storage|compute|gateway|cli|include|tests|docs)/[A-Za-z0-9_./-]+`' "$doc" | tr -d '`' | sort -u); do
    [ -e "${named%/}" ] || complain "$doc names $named, which does not exist"
  done
done

[ $bad = 0 ] && echo "house rules: kept"
exit $bad
