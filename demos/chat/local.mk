# demos/chat: add programs to demo_programs, one line each.

demo_programs += demos/chat/chat

demos_chat_chat_SOURCES = demos/chat/chat.c
demos_chat_chat_LDADD = $(demo_libs)

EXTRA_DIST += demos/chat/README.md
