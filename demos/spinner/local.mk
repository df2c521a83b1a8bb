# demos/spinner: add programs to demo_programs, one line each.

demo_programs +=
