from .app import application as application
from .limits import Limits as Limits
from .server import serve as serve
