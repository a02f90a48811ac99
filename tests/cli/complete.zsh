# Prints what Zsh offers for a command line: complete.zsh SCRIPT LINE. Zsh has no command for that, so this types the line
# into an interactive Zsh, and prints each match.
zmodload zsh/zpty
zpty shell zsh -f -i
setup=$(mktemp)
cat > $setup <<'SETUP'
PROMPT=
autoload -U compinit
compinit -u -d $SCRIPT.dump
source $SCRIPT
bindkey '^I' complete-word
zstyle ':completion:*' insert-tab false
mark() { print -r -- $'\1' }
compprefuncs=(mark)
comppostfuncs=(mark exit)
compadd() {
  # A call that fills an array adds no match.
  if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then
    builtin compadd "$@"
    return
  fi
  local -a hits
  builtin compadd -A hits "$@"
  (( $#hits )) && print -rl -- $hits
  # Zsh counts the matches, and would try others.
  builtin compadd "$@"
}
print ready
SETUP
zpty -w shell "SCRIPT=$1; source $setup"
while zpty -r shell line && [[ $line != ready* ]]; do :; done
rm $setup
zpty -w shell "$2"$'\t'
marks=0
while zpty -r shell line; do
  if [[ $line == *$'\1'* ]]; then
    (( ++marks == 2 )) && break
  elif (( marks == 1 )); then
    print -r -- ${line%$'\r\n'}
  fi
done
zpty -d shell
