const [command = ''] = process.argv.slice(2);
process.stderr.write(`cluster: the command "${command}" is not there yet\n`);
process.exitCode = 2;
