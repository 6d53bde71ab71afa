#!/usr/bin/env bash
# A build that does everything by which builds ever leaked their secrets, into its log and its workspace.
# $DAEMON_LOG is the daemon's journal; without $HOLDFAST_SOCKET it is a classic build with a key in its environment.
set -x
env

if [ -n "$HOLDFAST_SOCKET" ]; then
  holdfast whoami
  holdfast key list
  token=$(holdfast token jwt --key deploy-jwt --audience https://registry.example.com --ttl 60s)
  echo "deploying with $token (status $?)"
  short=$(holdfast token jwt --key deploy-jwt --audience https://registry.example.com --ttl 1s)
  echo "publishing with $short (status $?)"
  holdfast --json sign sigv4 --key artifacts-aws --region eu-west-1 --service s3 --method PUT --payload-sha256 UNSIGNED-PAYLOAD \
    --explain https://artifacts.s3.eu-west-1.amazonaws.com/builds/1.tar
  echo "signing ended with status $?"
  # Beyond what the build may.
  holdfast token jwt --key deploy-jwt --audience https://payments.example.com
  echo "another audience ended with status $?"
  holdfast sign sigv4 --key artifacts-aws --region eu-west-1 --service s3 https://artifacts.s3.eu-west-1.amazonaws.com/secrets
  echo "another path ended with status $?"
fi

# A helper that holds what it was answered is killed, and leaves a core file where core files are written.
mkfifo held
python3 "$(dirname "$0")/holder.py" >held &
helper=$!
read -r _ <held
kill -SEGV $helper
wait $helper
ls -l

# The journal and everything else that can be read of the daemon, as an artifact for debugging.
cp "$DAEMON_LOG" journal.txt
tail -n 100 journal.txt
cp -r "$(dirname "$DAEMON_LOG")" daemon
cat /proc/self/environ /proc/$PPID/environ
